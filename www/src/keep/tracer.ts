/** The package's reader of pictures, in one file of its own with the compiled recogniser's binding: few need it. */
export { strokesFromImage } from "quickdraw-rnn/image";
