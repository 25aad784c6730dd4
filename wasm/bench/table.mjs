// Measurements in, tables out.

/**
 * @typedef {import("./run.mjs").Row} Row
 * @typedef {{ ours: string, peer: string, ms_45: number, ms_120: number, first_ms: number, again_ms: number }} Ratio ours / peer
 */

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/**
 * What the package needs of the time that each peer needs: the median of the ratios of neighbouring turns, and for the
 * first prediction the ratio of the fastest starts. In 8 bits it stands beside all, in float32 beside float32 on the same network.
 *
 * @param {import("./run.mjs").Result[]} results
 * @returns {Ratio[]}
 */
export function ratiosOf(results) {
  const isOurs = (/** @type {import("./run.mjs").Result} */ { contender }) =>
    contender.name.startsWith("quickdraw-rnn");
  const rounded = (/** @type {number} */ ratio) => Number(ratio.toPrecision(3));
  const ratios = [];
  for (const ours of results.filter(isOurs)) {
    for (const peer of results.filter((result) => !isOurs(result))) {
      const [a, b] = [ours.contender, peer.contender];
      const isImages = b.network === "DoodleNet" && a.network === "fast" && a.arithmetic === "int8";
      const isSameNetwork = a.network === b.network && (a.arithmetic === "int8" || b.arithmetic === "f32");
      if (!isImages && !isSameNetwork) continue;
      const turns = (/** @type {number} */ size) =>
        rounded(median((ours.turns[size] ?? []).map((time, turn) => time / (peer.turns[size]?.[turn] ?? NaN))));
      ratios.push({
        ours: a.name,
        peer: b.name,
        ms_45: turns(45),
        ms_120: turns(120),
        first_ms: rounded(ours.row.first_ms / peer.row.first_ms),
        again_ms: rounded(ours.row.again_ms / peer.row.again_ms),
      });
    }
  }
  return ratios;
}

/**
 * Both tables in Markdown.
 *
 * @param {Row[]} rows
 * @param {Ratio[]} ratios
 */
export function table(rows, ratios) {
  const ms = (/** @type {number} */ value) => (value < 10 ? value.toPrecision(3) : value.toFixed(value < 100 ? 1 : 0));
  const kb = (/** @type {number} */ bytes) => Math.round(bytes / 1000).toLocaleString("en");
  const mb = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1);
  const measured = rows.map((row) => [
    row.name,
    `${ms(row.min_ms_45)} (${ms(row.median_ms_45)})`,
    `${ms(row.min_ms_120)} (${ms(row.median_ms_120)})`,
    ms(row.first_ms),
    ms(row.again_ms),
    kb(row.code_brotli_bytes),
    kb(row.weights_bytes),
    mb(row.memory_bytes),
  ]);
  const header = [
    "",
    "45 points, ms: minimum (median)",
    "120 points, ms",
    "first prediction, ms",
    "on a later visit, ms",
    "code, KB brotli",
    "model, KB",
  ];
  const divided = ratios.map(({ ours, peer, ms_45, ms_120, first_ms, again_ms }) => [
    `${ours.split(",")[0]} / ${peer}`,
    ...[ms_45, ms_120, first_ms, again_ms].map((ratio) => ratio.toPrecision(2)),
  ]);
  return [
    markdown([[...header, "memory, MB"], ...measured]),
    "",
    "Ratios of times, ours / peer: below 1 ours is faster.",
    "",
    markdown([["", "45 points", "120 points", "first prediction", "on a later visit"], ...divided]),
  ].join("\n");
}

/** @param {string[][]} lines the first is the header */
function markdown([header = [], ...lines]) {
  return [header, header.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
