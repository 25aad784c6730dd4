/** Labels worth proposing to somebody before an empty sheet: quick to draw, and fun. */
export const IDEAS: readonly string[] = [
  "apple", "bicycle", "birthday cake", "butterfly", "cactus", "cat", "coffee cup", "eyeglasses", "fish", "flower", "hot air balloon", "house",
  "ice cream", "key", "ladder", "light bulb", "lighthouse", "mountain", "mushroom", "octopus", "rainbow", "sailboat", "scissors",
  "smiley face", "snail", "snowman", "star", "sun", "The Eiffel Tower", "tree", "umbrella", "windmill",
];
