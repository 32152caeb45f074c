// Ids that sort by the time they were made: UUIDv7 (RFC 9562, section 5.7), as the server makes them.

/** A UUIDv7 in lower case; `at` in ms. */
export function uuid7(timestamp: number, random: Uint8Array = randomBytes()): string {
  const bytes = new Uint8Array(random);
  for (let place = 0; place < 6; place += 1) {
    bytes[place] = Math.floor(timestamp / 2 ** (8 * (5 - place))) % 256;
  }
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function randomBytes(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}
