import { confidenceOf } from "./confidence";
import { KOREAN_NAMES } from "./korean-names";
import type { Language } from "./language";

function name(label: string): string {
  return KOREAN_NAMES[label] ?? label;
}

/** Whether the last syllable closes with a consonant, which decides between 이네요 and 네요. */
function endsWithConsonant(word: string): boolean {
  const offset = (word.codePointAt(word.length - 1) ?? 0) - 0xac00;
  return offset >= 0 && offset < 11_172 && offset % 28 !== 0;
}

export const KOREAN: Language = {
  tag: "ko",
  description: "그림을 그리면 작은 신경망이 그리는 동안 무엇인지 맞혀요.",
  pad: "그림판이에요. 마우스나 펜, 손가락으로 그려 보세요.",
  guesses: "추측",
  languages: "언어",
  undo: "되돌리기",
  clear: "지우기",
  anotherIdea: "다른 제안",
  tryAgain: "다시 시도하기",
  loading: "연필을 깎고 있어요…",
  invitation: "무엇이든 그려 보세요.",
  speechless: "지금은 맞힐 수 없어요.",
  privacy: "그림은 이 기기 밖으로 나가지 않아요.",
  attribution: { before: "Google이 CC BY 4.0으로 공개한 ", link: "Quick, Draw! 데이터", after: "로 학습했어요." },
  obstacles: {
    unsupported: "이 브라우저에서는 모델을 실행할 수 없어요. SIMD를 지원하는 WebAssembly가 필요해요. 최신 Chrome, Edge, Firefox, Safari에서 열어 보세요.",
    model: "모델을 불러오지 못했어요. 그림은 계속 그릴 수 있어요. 연결을 확인하고 다시 시도해 보세요.",
    worker: "추측이 자꾸 실패해요. 그림은 그대로 남아 있어요. 다시 시도하거나 페이지를 새로 고쳐 보세요.",
  },
  name,
  idea: (label) => `${name(label)}, 어때요?`,
  sentence([best, second]) {
    if (!best) return "";
    const first = name(best.label);
    const other = second && name(second.label);
    switch (confidenceOf(best)) {
      case "certain":
        return `아, ${first}${endsWithConsonant(first) ? "이" : ""}네요!`;
      case "likely":
        return other ? `${first}처럼 보여요. 아니면 ${other}일까요?` : `${first}처럼 보여요.`;
      case "unsure":
        return other ? `글쎄요, ${first}일까요? 아니면 ${other}일까요?` : `글쎄요, ${first}일까요?`;
    }
  },
  model: (nCategories, accuracy) =>
    "작은 순환 신경망이 획을 그은 순서대로 읽어요. " +
    (accuracy ? `${nCategories}가지를 알고, 시험용 그림의 ${accuracy}를 첫 추측에 맞혀요.` : `${nCategories}가지를 알아요.`),
};
