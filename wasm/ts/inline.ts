/**
 * Everything in one module, the model and the compiled recogniser included: nothing is fetched, nothing has to be found.
 * The same are the script for pages without modules (`quickdraw-rnn.global.js`) and, with the files beside it, the
 * package for CommonJS.
 *
 * @module quickdraw-rnn/inline
 */

export * from "./index.js";
export * from "./worker.js";
export * from "./custom-classes.js";
export * from "./formats.js";
export * from "./pad.js";
export * from "./image.js";
export * from "./labels-ko.js";
