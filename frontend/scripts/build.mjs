// Bundle the scripts that the server serves; `--watch` rebuilds them on every change.
import { build, context } from "esbuild";

const options = {
  entryPoints: { app: "src/main.ts", chart: "src/ui/chart.ts", theme: "src/ui/theme.ts" },
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
