import vue from "@vitejs/plugin-vue";

const isCustomElement = (tag) => tag === "quickdraw-pad";

export default {
  plugins: [vue({ template: { compilerOptions: { isCustomElement } } })],
};
