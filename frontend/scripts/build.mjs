// Bundle the scripts that the server serves.
import { build } from "esbuild";

await build({
  entryPoints: { app: "src/main.ts", chart: "src/ui/chart.ts", theme: "src/ui/theme.ts" },
  outdir: "../src/deskwire/web/static/dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
});
