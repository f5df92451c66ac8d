// The trades of each interval, from the ledger where the page holds one, and what a check of them finds.
const Audited = (held, say) => {
  const $ = id => document.getElementById(id), day = held.ledger, most = 12;
  const operator = "market_operator", count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  const proven = day ? Ledger.provenTrades(day) : [], byInterval = held.clock.map(() => []);
  if (day) day.trades.forEach((trade, i) => { const at = byInterval[day.checkpoints[trade[0]][0]]; if (at) at.push(i); });
  const policy = day && held.policies.find(p => p.name === day.policy);
  let signed = day ? day.checkpoints.map(() => null) : [];

  const clock = t => held.clock[t] ? `interval ${t} (${held.clock[t]})` : `interval ${t}`;
  const amounts = (kwh, price) => `${say.kwh(kwh, 3)} kWh at ${say.money(price)} ${held.currency}/kWh`;
  const told = entry => typeof entry.energy_ukwh === "number" && typeof entry.price_ucur_per_kwh === "number"
    ? `${entry.txid}: ${entry.seller} sells ${entry.buyer} ${amounts(entry.energy_ukwh / 1000, entry.price_ucur_per_kwh / 100)}, ${say.money(entry.pay_ucur / 100)} in all`
    : `${entry.txid}: ${entry.unreadable || JSON.stringify(entry)}`;
  const name = agent => agent < 0 ? operator : held.agents[agent];
  const happened = ([seller, buyer, wh, price]) => `${name(seller)} sold ${name(buyer)} ${amounts(wh, price)}`;
  const isOf = (entry, [seller, buyer, wh, price]) => entry.seller === name(seller) && entry.buyer === name(buyer)
    && Math.abs(entry.energy_ukwh / 1000 - wh) <= .501 && Math.abs(entry.price_ucur_per_kwh / 100 - price) <= .501;

  // Rows [seller, buyer, kWh, price, standing] of an interval under a policy; standing is null without a ledger.
  function trades(shown, t) {
    if (shown !== policy) return shown.pairs[t].map(([seller, buyer, wh, price]) => [name(seller), name(buyer), say.kwh(wh, 3), say.money(price), null]);
    return byInterval[t].map(i => {
      const [closing, , , entry] = day.trades[i];
      return [String(entry.seller), String(entry.buyer), say.kwh(entry.energy_ukwh / 1000, 3), say.money(entry.price_ucur_per_kwh / 100), proven[i] && signed[closing] !== false];
    });
  }

  // What is wrong with the day: [interval, words] each.
  function findings() {
    const found = [], isAllLost = byInterval.map(list => list.length > 0 && list.every(i => !proven[i]));
    const first = isAllLost.findIndex((lost, t) => lost && byInterval.every((list, u) => u < t || !list.length || isAllLost[u]));
    const isCut = first >= 0 && byInterval.filter((list, t) => t >= first && list.length).length > 1;
    if (isCut) found.push([first, `from ${clock(first)} on no trade leads to the signed root: there something was changed together with its hash, or taken out`]);
    byInterval.forEach((list, t) => {
      const pairs = policy.pairs[t].slice(), strange = [];
      for (const i of list) {
        const at = pairs.findIndex(pair => isOf(day.trades[i][3], pair));
        if (at >= 0) pairs.splice(at, 1); else strange.push(i);
      }
      for (const i of list) {
        const fails = !proven[i] && !(isCut && t >= first), differs = strange.includes(i);
        if (!fails && !differs) continue;
        const where = fails ? "is not what the log signed" : "is not what the episode beside it shows";
        const was = differs && pairs.length ? `; what happened: ${happened(pairs.shift())}` : "";
        found.push([t, `${clock(t)}, trade ${told(day.trades[i][3])}, ${where}${was}`]);
      }
      for (const pair of pairs) found.push([t, `${clock(t)}: a trade is missing from the ledger: ${happened(pair)}`]);
    });
    day.checkpoints.forEach(([interval], i) => { if (signed[i] === false) found.push([interval, `${clock(interval)}: its checkpoint is not signed with the key of ${day.origin}`]); });
    return found;
  }

  function list(box, found) {
    const rows = found.slice(0, most).map(([t, words]) => {
      const row = say.html("li", words);
      if (held.clock[t]) {
        const go = say.html("button", "Show");
        go.type = "button";
        go.setAttribute("aria-label", `Show ${clock(t)}`);
        go.addEventListener("click", () => say.show(t));
        row.append(" ", go);
      }
      return row;
    });
    if (found.length > most) rows.push(say.html("li", `and ${found.length - most} more`));
    box.replaceChildren(...rows);
  }

  function verdict() {
    const found = findings(), n = day.trades.length, unknown = signed.some(x => x === null), which = `${count(n, "trade")} of ${day.policy}`;
    const stand = `each of the ${which} leads to the root of its interval, ${count(day.checkpoints.length, "checkpoint")} in all`;
    $("verdict").textContent = found.length ? `\u2717 Not sound: ${count(found.length, "finding")} among the ${which}.`
      : unknown ? `\u2713 ${stand}. Who signed the checkpoints was not checked: this browser has no Ed25519 for this page.`
        : `\u2713 Sound: ${stand}, and all are signed by the operator's key.`;
    $("verdict").className = found.length ? "event" : "sound";
    $("standing").hidden = false;
    $("standing").firstChild.textContent = found.length ? `\u2717 The ledger of this day is not sound: ${count(found.length, "finding")}` : "\u2713 The ledger of this day was checked: no finding";
    list($("findings"), found);
  }

  async function check() {
    const key = Ledger.publicKey($("key").value);
    $("key").setAttribute("aria-invalid", String(!key && $("key").value !== ""));
    if (!day) return;
    signed = await Ledger.signatures(day.checkpoints.map(([, text]) => Ledger.note(text)), day.origin, key);
    verdict();
    say.again();
  }

  // A log that the reader opens: against its own roots, and against what this page holds of it.
  async function logFindings(text) {
    const { entries, stamps } = Ledger.readExport(text), notes = stamps.map(s => s.note), found = [];
    const origin = (notes.find(Boolean) || { origin: "" }).origin, isOurs = Boolean(day) && origin === day.origin;
    if (isOurs) day.trades.forEach(([closing, place, , entry], i) => {
      const there = entries[place], interval = day.checkpoints[closing][0];
      if (proven[i] && there && there.body && Ledger.canonical(there.body) !== Ledger.canonical(entry))
        found.push([interval, `${clock(interval)}, entry ${place}, trade ${told(there.body)}, is not what the log signed; that is ${told(entry)}`]);
    });
    const lost = stamps.filter(s => !s.fits);
    if (lost.length) {
      const at = lost[0].note ? clock(lost[0].note.interval) : "an interval without a checkpoint", later = lost.length - 1;
      found.push([lost[0].note ? lost[0].note.interval : -1, `${at}: entries ${lost[0].first} to ${lost[0].size - 1} do not have the signed root${later ? `, nor then can ${later} later ones` : ""}`]);
    }
    const last = stamps.length ? stamps[stamps.length - 1].size : 0;
    if (last < entries.length) found.push([-1, `entries ${last} to ${entries.length - 1} have no checkpoint`]);
    const held = await Ledger.signatures(notes, origin, Ledger.publicKey($("key").value));
    held.forEach((holds, i) => { if (holds === false) found.push([notes[i] ? notes[i].interval : -1, `checkpoint ${i} is not signed with that key for ${origin}`]); });
    const unchecked = held.includes(null) ? "; its signatures were not checked, for this browser has no Ed25519 for this page" : "";
    const withheld = entries.filter(e => !e.body).length, kept = withheld ? `, ${withheld.toLocaleString("en")} bodies withheld` : "";
    return [found, `the log ${origin}: ${entries.length.toLocaleString("en")} entries${kept}, ${count(stamps.length, "checkpoint")}${unchecked}`];
  }

  async function proofFindings(text) {
    const { note, entry, index, holds } = Ledger.readProof(text), found = [];
    const [isSigned] = await Ledger.signatures([note], note.origin, Ledger.publicKey($("key").value));
    const words = `entry ${index} of the ${note.size} that ${note.origin} signed`, interval = Number.isInteger(entry.interval) ? entry.interval : -1;
    if (!holds) found.push([interval, `${clock(interval)}, ${told(entry)}, is not ${words}`]);
    if (isSigned === false) found.push([-1, `the checkpoint is not signed with that key for ${note.origin}`]);
    return [found, `${told(entry)}, ${words}${isSigned === null ? "; the signature was not checked, for this browser has no Ed25519 for this page" : ""}`];
  }

  async function open(file) {
    const text = await file.text();
    try {
      if (text.startsWith("SQLite format 3")) throw new Error(`it is the database; write it as lines first: gridbazaar ledger export ${file.name} --jsonl day.jsonl`);
      const [found, what] = await (text.startsWith(Ledger.FORMAT) ? logFindings : proofFindings)(text);
      $("opened").textContent = found.length ? `\u2717 ${file.name}: not sound, ${count(found.length, "finding")}; ${what}.` : `\u2713 ${file.name}: sound; ${what}.`;
      list($("inFile"), found);
    } catch (error) {
      $("opened").textContent = `\u2717 ${file.name} cannot be read: expected an export or an inclusion proof, but ${error.message}.`;
      list($("inFile"), []);
    }
  }

  $("verdict").textContent = "This page holds no ledger; open one that was exported, or a proof from one.";
  if (day) { $("key").value = day.key; $("log").textContent = `${day.origin}, from ${day.file}. `; }
  $("key").addEventListener("change", check);
  $("file").addEventListener("change", e => { if (e.target.files[0]) open(e.target.files[0]); });
  return { trades, check, isLedgers: shown => Boolean(day) && shown === policy };
};
