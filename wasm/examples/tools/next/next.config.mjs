export default { serverExternalPackages: ["quickdraw-rnn"] };
