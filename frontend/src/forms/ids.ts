// Create UUIDv7 ids (RFC 9562, section 5.7), which sort by creation time, as the server does.

/** Create a UUIDv7 in lower case; `timestamp` in ms since 1970. */
export function uuid7(timestamp: number, random: Uint8Array = randomBytes()): string {
  const bytes = new Uint8Array(random);
  for (let index = 0; index < 6; index += 1) {
    bytes[index] = Math.floor(timestamp / 2 ** (8 * (5 - index))) % 256;
  }
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function randomBytes(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}
