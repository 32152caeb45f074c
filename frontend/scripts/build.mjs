// Bundles the store and the theme switch into what the server serves.
import { build } from "esbuild";

await build({
  entryPoints: { app: "src/main.ts", chart: "src/chart.ts", theme: "src/theme.ts" },
  outdir: "../src/deskwire/web/static/dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
});
