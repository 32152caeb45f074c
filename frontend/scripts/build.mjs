// Bundles the client store and the theme switch into the files the server serves; `--watch` goes on.
import { build, context } from "esbuild";

const options = {
  entryPoints: { app: "src/main.ts", chart: "src/chart.ts", theme: "src/theme.ts" },
  outdir: "../src/deskwire/web/static/dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
};

if (process.argv.includes("--watch")) {
  const watching = await context({ ...options, logLevel: "info" });
  await watching.watch();
} else {
  await build(options);
}
