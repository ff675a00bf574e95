// Unpacks the arrays that hil/report/packed.py has packed: base64, compressed, bytes in planes.

async function unpack(text, differences = false) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = planes.length / 4;
  const numbers = new Uint32Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const value = planes[i] | (planes[n + i] << 8) | (planes[2 * n + i] << 16) | (planes[3 * n + i] << 24);
    sum = differences ? (sum + value) >>> 0 : value >>> 0;
    numbers[i] = sum;
  }
  return numbers;
}
