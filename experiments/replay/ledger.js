"use strict";
// What docs/ledger.md says of a log, checked by the reader's own browser: SHA-256 (FIPS 180-4), canonical JSON (RFC 8785),
// the tree of RFC 6962 with the paths of RFC 9162, 2.1.3.2, and notes as C2SP writes them. Nothing here draws or fetches.
const Ledger = (() => {
  const ROUNDS = [], START = [];
  for (let n = 2; ROUNDS.length < 64; n++) {  // the fractions of the roots of the first primes
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) isPrime = isPrime && n % d !== 0;
    if (!isPrime) continue;
    const bits = root => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
    if (START.length < 8) START.push(bits(Math.sqrt(n)));
    ROUNDS.push(bits(Math.cbrt(n)));
  }
  const utf8 = text => new TextEncoder().encode(text);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));

  function sha256(...parts) {
    const length = parts.reduce((all, part) => all + part.length, 0), padded = new Uint8Array(((length + 8) >> 6) + 1 << 6);
    let at = 0;
    for (const part of parts) { padded.set(part, at); at += part.length; }
    padded[length] = 0x80;
    const view = new DataView(padded.buffer), w = new Int32Array(64), state = Int32Array.from(START);
    view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29));
    view.setUint32(padded.length - 4, length << 3);
    for (let block = 0; block < padded.length; block += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getInt32(block + 4 * i);
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
        const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] += x; });
    }
    const out = new Uint8Array(32), bytes = new DataView(out.buffer);
    state.forEach((x, i) => bytes.setInt32(4 * i, x));
    return out;
  }
  const leafHash = body => sha256(Uint8Array.of(0), body), nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);
  const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
  const hex = bytes => [...bytes].map(x => x.toString(16).padStart(2, "0")).join("");
  const unhex = text => /^([0-9a-f]{2})*$/.test(text) ? Uint8Array.from(text.match(/../g) || [], x => parseInt(x, 16)) : null;
  const unbase64 = text => {
    try { const raw = atob(text); return btoa(raw) === text ? Uint8Array.from(raw, c => c.charCodeAt(0)) : null; } catch { return null; }
  };

  // Keys sorted by UTF-16 units, as sort() does; numbers of a ledger are integers below 2^53.
  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value && typeof value === "object") return `{${Object.keys(value).sort().map(key => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
    if (typeof value === "number" && !(Number.isSafeInteger(value) && !Object.is(value, -0))) throw new Error(`${value} is no integer below 2^53`);
    return JSON.stringify(value);
  }

  function includes(leaf, index, size, path, root) {
    if (!(index >= 0 && index < size)) return false;
    let position = index, last = size - 1, found = leaf;
    const half = x => Math.floor(x / 2);
    for (const other of path) {
      if (last === 0) return false;
      if (position % 2 || position === last) {
        found = nodeHash(other, found);
        while (position % 2 === 0 && position) { position = half(position); last = half(last); }
      } else found = nodeHash(found, other);
      position = half(position); last = half(last);
    }
    return last === 0 && same(found, root);
  }

  // A checkpoint: origin, size, root, 'interval N', an empty line, signatures. null: it is none.
  function note(text) {
    const gap = text.lastIndexOf("\n\n"), lines = gap < 0 ? [] : text.slice(0, gap).split("\n");
    const number = x => /^(0|[1-9][0-9]{0,15})$/.test(x) && Number.isSafeInteger(Number(x)) ? Number(x) : -1;
    if (lines.length !== 4 || !lines[3].startsWith("interval ") || !text.endsWith("\n")) return null;
    const size = number(lines[1]), interval = number(lines[3].slice(9)), root = unbase64(lines[2]);
    if (size < 0 || interval < 0 || !root || root.length !== 32) return null;
    const signatures = text.slice(gap + 2, -1).split("\n").map(line => {
      const [dash, name, blob] = line.split(" "), bytes = unbase64(blob || "");
      return dash === "\u2014" && bytes && bytes.length > 4 ? { name, id: bytes.slice(0, 4), signature: bytes.slice(4) } : null;
    });
    return { origin: lines[0], size, root, interval, signed: utf8(text.slice(0, gap + 1)), signatures };
  }

  // 32 bytes of a key as people give it: did:key, 64 hexadecimal digits, or name+id+base64. null: none of them.
  function publicKey(text) {
    const given = text.trim(), letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if (given.startsWith("did:key:z")) {
      const digits = [...given.slice(9)].map(c => letters.indexOf(c));
      if (digits.length > 60 || digits.includes(-1)) return null;
      const all = unhex(digits.reduce((n, d) => 58n * n + BigInt(d), 0n).toString(16).padStart(68, "0"));
      return all && all.length === 34 && all[0] === 0xed && all[1] === 1 ? all.slice(2) : null;
    }
    const parts = given.split("+"), tagged = parts.length > 2 ? unbase64(parts.slice(2).join("+")) : null;
    const key = tagged && tagged[0] === 1 ? tagged.slice(1) : unhex(given);
    return key && key.length === 32 ? key : null;
  }

  // Signature of each checkpoint by the log's operator: true, false, or null where this browser cannot tell.
  async function signatures(notes, origin, key) {
    if (!key) return notes.map(() => false);
    let held = null;
    try { held = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]); } catch { return notes.map(() => null); }
    const id = sha256(utf8(`${origin}\n`), Uint8Array.of(1), key).slice(0, 4);
    return Promise.all(notes.map(async one => {
      if (!one || one.origin !== origin) return false;
      for (const line of one.signatures)
        if (line && line.name === origin && same(line.id, id) && await crypto.subtle.verify({ name: "Ed25519" }, held, line.signature, one.signed)) return true;
      return false;
    }));
  }

  // The trades of a day against the roots of their intervals: [is it in the signed log, ...].
  function provenTrades(day) {
    const bytes = unbase64(day.nodes) || new Uint8Array(), notes = day.checkpoints.map(([, text]) => note(text));
    const node = i => bytes.subarray(32 * i, 32 * i + 32);
    return day.trades.map(([closing, place, path, entry]) => {
      const end = notes[closing];
      if (!end || end.interval !== day.checkpoints[closing][0] || end.interval !== entry.interval) return false;
      try { return includes(leafHash(utf8(canonical(entry))), place, end.size, path.map(node), end.root); } catch { return false; }
    });
  }

  const FORMAT = '{"format":"gridbazaar-ledger/1"}';
  // A log as lines of JSON ('gridbazaar ledger export'): its entries, and which checkpoints have their root.
  function readExport(text) {
    const lines = text.split("\n"), entries = [], stamps = [], peaks = [];
    if (lines.pop() !== "" || lines.shift() !== FORMAT) throw new Error("it does not begin and end as an export does");
    const root = () => peaks.length ? peaks.map(p => p.hash).reduceRight((right, left) => nodeHash(left, right)) : sha256();
    const push = hash => {
      let size = 1, held = hash;
      while (peaks.length && peaks[peaks.length - 1].size === size) { held = nodeHash(peaks.pop().hash, held); size *= 2; }
      peaks.push({ size, hash: held });
    };
    lines.forEach((line, i) => {
      const where = `line ${i + 2}`;
      let read;
      try { read = JSON.parse(line); } catch { throw new Error(`${where} is no JSON`); }
      if (typeof read.checkpoint === "string") {
        const found = note(read.checkpoint);
        stamps.push({ note: found, fits: Boolean(found) && found.size === entries.length && same(found.root, root()), first: stamps.length ? stamps[stamps.length - 1].size : 0, size: entries.length });
        return;
      }
      if (canonical(read) !== line) throw new Error(`${where} is not written canonically`);
      if (read.seq !== entries.length) throw new Error(`${where}: expected entry ${entries.length}, found entry ${read.seq}; what lay between is missing`);
      const leaf = read.body ? leafHash(utf8(canonical(read.body))) : unhex(String(read.leaf));
      if (!leaf || leaf.length !== 32) throw new Error(`${where} is neither an entry nor a checkpoint`);
      push(leaf);
      entries.push({ interval: read.interval, body: read.body || null });
    });
    return { entries, stamps };
  }

  // One entry with its path ('gridbazaar ledger prove').
  function readProof(text) {
    const proof = JSON.parse(text), end = note(String(proof.checkpoint)), path = (proof.hashes || []).map(x => unhex(String(x)));
    if (proof.format !== "gridbazaar-inclusion/1" || !end || !proof.entry || path.some(x => !x || x.length !== 32)) throw new Error("it is no inclusion proof");
    return { note: end, entry: proof.entry, index: proof.index, holds: includes(leafHash(utf8(canonical(proof.entry))), proof.index, end.size, path, end.root) };
  }

  return { sha256, utf8, hex, canonical, includes, note, publicKey, signatures, provenTrades, readExport, readProof, FORMAT };
})();
