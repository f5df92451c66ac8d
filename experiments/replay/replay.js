"use strict";
(() => {
  const held = JSON.parse(document.getElementById("data").textContent);
  const n = held.clock.length, feeder = held.feeder, colour = name => `var(--${name})`;
  const $ = id => document.getElementById(id);
  const fixed = (x, digits) => { const text = x.toFixed(digits); return Number(text) ? text : text.replace("-", ""); };
  const kwh = (x, digits = 2) => fixed(x / 1000, digits), money = x => (x / 10000).toFixed(4), cur = held.currency;
  let now = 0, timer = 0, small = innerWidth < 700;

  const element = (name, attributes, ...inside) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };
  const html = (name, words, ...inside) => {
    const made = document.createElement(name);
    if (words) made.textContent = words;
    made.append(...inside);
    return made;
  };
  const picture = (width, height, label) =>
    element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });

  // Voltage: blue below 1, orange above, as far as the limits; never by colour alone, for the bus is also named.
  const shade = volts => {
    const span = Math.max(feeder.high - 1, 1 - feeder.low), by = Math.max(-1, Math.min(1, (volts - 1) / span));
    const mix = (a, b) => a.map((x, i) => Math.round(x + (b[i] - x) * Math.abs(by)));
    return `rgb(${mix([242, 239, 230], by < 0 ? [11, 79, 158] : [179, 72, 10]).join(",")})`;
  };
  const marks = { prosumer: "M-5 5V-1L0-6L5-1V5Z", battery: "M-4-5H4V5H-4Z", ev: "M0-6A6 6 0 1 1 0 6A6 6 0 1 1 0-6Z",
    vpp: "M0-6L6 0L0 6L-6 0Z", wind: "M0-6L6 5H-6Z", genset: "M0 6L6-5H-6Z" };
  const mark = kind => marks[kind] || "M-6-2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z";
  const dashes = ["", "5 2", "2 2", "8 3"], shades = ["sell", "buy", "store", "local"];

  // Who buys from neighbours is filled, who sells is hollow with a thick edge, who does neither is pale: not by colour alone.
  const looks = local => local > 0 ? { fill: colour("buy"), stroke: colour("ink"), "stroke-width": .8 }
    : local < 0 ? { fill: colour("paper"), stroke: colour("sell"), "stroke-width": 3 } : { fill: colour("line"), stroke: colour("muted"), "stroke-width": .8 };
  const key = (words, ...drawn) => { const made = element("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" }, ...drawn); return html("span", "", made, ` ${words}`); };
  function legend() {
    const made = html("p", "", ...[...new Set(held.kinds)].map(kind => key(kind, element("path", { d: mark(kind), ...looks(0) }))),
      ...[["buys from neighbours", 1], ["sells to them", -1]].map(([words, local]) => key(words, element("path", { d: marks.prosumer, ...looks(local) }))),
      ...[["voltage low", feeder.low], ["high", feeder.high]].map(([words, volts]) => key(words, element("circle", { r: 6, fill: shade(volts), stroke: colour("ink") }))));
    made.className = "legend";
    return made;
  }

  function wires(policy) {
    const depth = Math.max(...feeder.x), leaves = Math.max(...feeder.y), last = feeder.x.length - 1;
    const width = small ? 380 : 560, height = Math.max(110, 40 + 34 * (leaves + 1));
    const X = i => 40 + (width - 120) * feeder.x[i] / Math.max(depth, 1), Y = i => 24 + (height - 48) * feeder.y[i] / Math.max(leaves, 1);
    const volts = policy.volts[now].map(v => v / 10000), below = new Array(last).fill(0);
    held.bus.forEach((bus, agent) => { below[bus] += policy.net[now][agent]; });
    for (let b = last - 1; b >= 0; b--) if (feeder.parent[b] >= 0) below[feeder.parent[b]] += below[b];
    const margin = volts.map(v => Math.min(v - feeder.low, feeder.high - v)), worst = margin.indexOf(Math.min(...margin));
    const made = picture(width, height, `Feeder ${feeder.name}; bus ${feeder.buses[worst]} has ${volts[worst].toFixed(3)} per unit`);
    feeder.parent.forEach((up, b) => {
      const p = up < 0 ? last : up, loading = policy.loading[now][b] / 1000, away = below[b] >= 0;
      const path = `M${X(p)} ${Y(p)}V${Y(b)}H${X(b)}`;
      const line = element("path", { d: path, fill: "none", stroke: colour(loading > 1 ? "bad" : "muted"),
        "stroke-width": 1 + 7 * Math.min(loading, 1.3), "stroke-opacity": .7, "stroke-linejoin": "round" });
      line.append(element("title", {}, `${feeder.buses[b]}: ${(100 * loading).toFixed(0)} % loaded, ${(below[b] / 1000 / held.step_h).toFixed(1)} kW ${away ? "away from" : "towards"} the grid above`));
      made.append(line);
      if (Math.abs(below[b]) > 20) {
        const mid = (X(p) + X(b)) / 2, turn = away ? 4 : -4;
        made.append(element("path", { d: `M${mid - turn} ${Y(b) - 4}L${mid + turn} ${Y(b)}L${mid - turn} ${Y(b) + 4}`, fill: "none", stroke: colour("ink") }));
      }
    });
    made.append(element("rect", { x: X(last) - 7, y: Y(last) - 7, width: 14, height: 14, fill: colour("ink") }),
      element("text", { x: X(last) - 30, y: Y(last) - 12 }, "grid above"));
    feeder.buses.forEach((name, b) => {
      const dot = element("circle", { cx: X(b), cy: Y(b), r: 7, fill: shade(volts[b]), stroke: colour(margin[b] < 0 ? "bad" : "ink"), "stroke-width": margin[b] < 0 ? 3 : 1 });
      dot.append(element("title", {}, `${name}: ${volts[b].toFixed(4)} pu`));
      made.append(dot);
    });
    const beside = new Array(last).fill(0);
    held.bus.forEach((bus, agent) => {
      const at = beside[bus]++, local = policy.local[now][agent];
      const shown = element("path", { d: mark(held.kinds[agent]), transform: `translate(${X(bus) + 2 + 9 * (at % 6)} ${Y(bus) + 15 + 9 * Math.floor(at / 6)}) scale(.62)`, ...looks(local) });
      shown.append(element("title", {}, `${held.agents[agent]}: ${kwh(policy.net[now][agent])} kWh at the meter, ${kwh(Math.abs(local))} kWh ${local < 0 ? "sold to" : "bought from"} neighbours`));
      made.append(shown);
    });
    made.append(element("text", { x: X(worst) + 10, y: Y(worst) - 8, class: "halo" }, `${feeder.buses[worst]} ${volts[worst].toFixed(3)} pu`));
    return made;
  }

  function book(policy) {
    const width = small ? 380 : 560, height = 190, left = 46, bottom = 164, energy = policy.energy[now], limit = policy.limit[now];
    const side = sign => energy.map((e, i) => [Math.abs(e), limit[i], e]).filter(o => o[2] * sign > 0)
      .sort((a, b) => sign * (b[1] - a[1]));
    const buys = side(1), sells = side(-1), sum = orders => orders.reduce((all, o) => all + o[0], 0);
    const most = Math.max(sum(buys), sum(sells), 1), edges = [held.retail[now], held.feed_in[now], policy.price[now]];
    const within = [...buys, ...sells].map(o => o[1]).filter(x => x < 3 * held.retail[now] && x > -held.retail[now]);
    const high = Math.max(...edges, ...within, 1) * 1.08, low = Math.min(0, ...edges, ...within);
    const X = e => left + (width - left - 12) * e / most, Y = p => bottom - (bottom - 12) * (Math.max(Math.min(p, high), low) - low) / (high - low);
    const made = picture(width, height, `Order book: ${buys.length} bids for ${kwh(sum(buys))} kWh, ${sells.length} offers of ${kwh(sum(sells))} kWh, local price ${money(policy.price[now])} ${cur} a kWh`);
    const traded = policy.local[now].reduce((all, x) => all + Math.max(x, 0), 0), onLeft = traded > .5 * most;
    const level = (p, words, dash) => made.append(
      element("line", { x1: left, x2: width - 12, y1: Y(p), y2: Y(p), stroke: colour("muted"), "stroke-dasharray": dash }),
      element("text", { x: onLeft ? left + 16 : width - 12, y: Y(p) - 3, "text-anchor": onLeft ? "start" : "end", class: "small halo" }, words));
    level(held.retail[now], "retail", "4 3");
    level(held.feed_in[now], "feed-in", "1 3");
    for (const [orders, name, dash] of [[buys, "buy", ""], [sells, "sell", "7 2"]]) {
      let at = 0, path = "";
      for (const [amount, price] of orders) { path += `${path ? "L" : "M"}${X(at)} ${Y(price)}H${X(at += amount)}`; }
      if (path) made.append(element("path", { d: path, fill: "none", stroke: colour(name), "stroke-width": 2.2, "stroke-dasharray": dash }));
    }
    if (traded) made.append(element("circle", { cx: X(Math.min(traded, most)), cy: Y(policy.price[now]), r: 5, fill: colour("local") }),
      element("text", { x: X(Math.min(traded, most)) + (traded > .8 * most ? -8 : 8), y: Y(policy.price[now]) - 7, "text-anchor": traded > .8 * most ? "end" : "start", class: "halo" }, money(policy.price[now])));
    made.append(element("line", { x1: left, x2: width - 12, y1: bottom, y2: bottom, stroke: colour("muted") }),
      element("text", { x: left, y: bottom + 16, class: "small" }, "0"), element("text", { x: width - 12, y: bottom + 16, "text-anchor": "end", class: "small" }, `${kwh(most)} kWh`),
      element("text", { x: left - 4, y: 16, "text-anchor": "end", class: "small" }, money(high).slice(0, -2)), element("text", { x: left - 4, y: bottom, "text-anchor": "end", class: "small" }, money(low).slice(0, -2)),
      element("text", { x: width / 2, y: bottom + 16, "text-anchor": "middle", class: "small" }, small ? "bids solid, offers dashed" : "bids solid, offers dashed, what neighbours trade a dot"));
    return made;
  }

  function strip() {
    const width = small ? 380 : 1180, height = 112, made = picture(width, height, "Power at the head of the feeder over the episode under each policy");
    const all = held.policies.flatMap(p => p.root), high = Math.max(...all, 1), low = Math.min(...all, 0);
    const X = t => 46 + (width - 56) * t / n, Y = v => 104 - 92 * (v - low) / (high - low);
    made.append(element("line", { x1: 46, x2: width - 10, y1: Y(0), y2: Y(0), stroke: colour("muted") }));
    held.events.forEach((words, t) => { if (words) made.append(element("rect", { x: X(t), y: 8, width: X(1) - X(0) + .5, height: 100, fill: colour("bad"), opacity: .15 })); });
    held.policies.forEach((policy, i) => {
      const path = policy.root.map((v, t) => `${t ? "L" : "M"}${X(t)} ${Y(v)}H${X(t + 1)}`).join("");
      made.append(element("path", { d: path, fill: "none", stroke: colour(shades[i % 4]), "stroke-width": 1.8, "stroke-dasharray": dashes[i % 4] }));
    });
    made.append(element("text", { x: 42, y: 18, "text-anchor": "end", class: "small" }, `${(high / 100).toFixed(0)} kW`), element("text", { x: 42, y: 104, "text-anchor": "end", class: "small" }, `${(low / 100).toFixed(0)} kW`),
      element("rect", { id: "cursor", y: 6, width: Math.max(X(1) - X(0), 2), height: 102, fill: "none", stroke: colour("ink"), "stroke-width": 1.5 }));
    made.addEventListener("click", e => { const box = made.getBoundingClientRect(); show(Math.floor(((e.clientX - box.left) * width / box.width - 46) / (width - 56) * n)); });
    $("strip").replaceChildren(made);
    $("strips").replaceChildren(html("span", "kW at the head of the feeder, below zero fed back:"), ...held.policies.map((policy, i) =>
      key(policy.name, element("line", { x1: -8, x2: 8, y1: 0, y2: 0, stroke: colour(shades[i % 4]), "stroke-width": 2.5, "stroke-dasharray": dashes[i % 4] }))));
    return X;
  }

  function table(policy) {
    const rows = held.agents.map((name, i) => {
      const room = policy.capacity[now][i], full = room ? Math.round(100 * policy.stored[now][i] / room) : 0;
      const bar = html("span", ""); bar.className = "meter"; bar.append(html("i", "")); bar.firstChild.style.width = `${full}%`;
      const store = html("td", ""), away = held.kinds[i] === "ev" && !policy.plugged[now][i];
      if (room && !away) store.append(bar, ` ${full} %`); else store.append(away ? "away" : "");
      const shed = policy.shed[now][i] ? ` (${kwh(policy.shed[now][i])} dark)` : "";
      return html("tr", "", html("th", name), html("td", kwh(policy.net[now][i]) + shed), html("td", kwh(policy.local[now][i])), store, html("td", fixed(policy.bill[now][i] / 10000, 2)));
    });
    const head = html("thead", "", html("tr", "", html("th", "agent"), html("th", "meter, kWh"), html("th", "of it from (to) neighbours"), html("th", "storage"), html("th", `bill so far, ${cur}`)));
    return html("table", "", head, html("tbody", "", ...rows));
  }

  // Who trades with whom; a pool pays one price, so its pairs are buyers and sellers laid side by side.
  function trades(policy) {
    const rows = ledger.trades(policy, now), fromLedger = ledger.isLedgers(policy);
    if (!rows.length) return html("p", "Nobody trades with a neighbour in this interval.");
    const made = rows.map(([seller, buyer, amount, price, stands]) => {
      const row = html("tr", "", html("th", seller), html("td", buyer), html("td", amount), html("td", price));
      if (stands !== null) row.append(html("td", stands ? "\u2713 signed" : "\u2717 not signed"));
      if (stands === false) row.className = "wrong";
      return row;
    });
    const head = html("tr", "", ...["seller", "buyer", "kWh", `${cur}/kWh`, ...(fromLedger ? ["in the ledger"] : [])].map(words => html("th", words)));
    return html("table", "", html("thead", "", head), html("tbody", "", ...made));
  }

  const columns = held.policies.map(policy => {
    const made = html("article", "", html("h2", policy.name));
    const figures = html("div", ""); figures.className = "figures";
    const feederBox = html("div", ""), bookBox = html("div", ""), tableBox = html("details", "", html("summary", "Agents: meters, storage and bills so far")), inside = html("div", "");
    const tradeBox = html("details", "", html("summary", "Who trades with whom")), pairs = html("div", "");
    pairs.className = "pairs";
    tableBox.open = tradeBox.open = true; tableBox.append(inside); tradeBox.append(pairs);
    made.append(figures, html("h3", "Feeder"), feederBox, legend(), html("h3", "Order book of the interval"), bookBox, tableBox, tradeBox);
    $("shown").append(made);
    return { policy, figures, feederBox, bookBox, pairs, inside };
  });

  function summary(policy) {
    const traded = policy.local[now].reduce((all, x) => all + Math.max(x, 0), 0), root = policy.root[now] / 100;
    const bill = policy.bill[now].reduce((a, b) => a + b, 0) / 10000, low = Math.min(...policy.volts[now]) / 10000, high = Math.max(...policy.volts[now]) / 10000;
    const cut = policy.curtailed[now].reduce((all, x) => all + Math.abs(x), 0);
    return [["head of the feeder", `${fixed(root, 1)} kW`], ["between neighbours", `${kwh(traded)} kWh`], [`local price, ${cur} a kWh`, traded ? money(policy.price[now]) : "no trade"],
      ["voltages, pu", `${low.toFixed(3)}\u2013${high.toFixed(3)}`], ["withheld by the wires", `${kwh(cut)} kWh`], ["all bills so far", `${fixed(bill, 2)} ${cur}`]];
  }

  // On a phone the policies' figures stand side by side here, since their columns stand below each other.
  function beside() {
    const all = held.policies.map(summary), head = html("tr", "", html("th", ""), ...held.policies.map(p => html("th", p.name)));
    const rows = all[0].map(([what], i) => html("tr", "", html("th", what), ...all.map(one => html("td", one[i][1]))));
    $("beside").replaceChildren(html("table", "", html("thead", "", head), html("tbody", "", ...rows)));
  }

  // Show an interval, and what the ledger says of its trades.
  function lead(t) {
    show(t);
    (document.querySelector(".wrong") || document.querySelector(".pairs")).scrollIntoView({ block: "center" });
  }

  let X = strip();
  const ledger = Audited(held, { html, kwh, money, show: t => lead(t), again: () => show(now) });
  function show(t) {
    now = Math.max(0, Math.min(n - 1, t));
    $("time").value = now;
    $("time").setAttribute("aria-valuetext", held.clock[now]);
    $("clock").textContent = held.clock[now];
    $("event").textContent = held.events[now];
    $("now").textContent = `At ${held.clock[now]}`;
    $("cursor").setAttribute("x", X(now));
    beside();
    for (const column of columns) {
      column.figures.replaceChildren(...summary(column.policy).map(([what, value]) => html("div", "", html("b", value), html("span", what))));
      column.feederBox.replaceChildren(wires(column.policy));
      column.bookBox.replaceChildren(book(column.policy));
      column.pairs.replaceChildren(trades(column.policy));
      column.inside.replaceChildren(table(column.policy));
    }
    if (!timer) $("said").textContent = `${held.clock[now]}. ${held.events[now]} ` + columns.map(c => `${c.policy.name}: ${summary(c.policy).map(([w, v]) => `${w} ${v}`).join(", ")}`).join(". ");
  }
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => now < n - 1 ? show(now + 1) : play(false), 350) : 0;
    $("play").textContent = on ? "Stop" : "Play";
    $("play").setAttribute("aria-pressed", String(on));
  }
  const toggle = () => { if (!timer && now === n - 1) show(0); play(!timer); };

  $("head").textContent = `${held.scenario}, ${held.date}`;
  $("about").textContent = `${held.title || held.scenario}. Episode ${held.seed}, ${held.agents.length} agents, ${held.mechanism}, tariff ${held.tariff}, wires: ${held.constraint}. ` +
    `Cost of the whole episode: ${held.policies.map(p => `${p.name} ${p.scored.toFixed(2)} ${cur}`).join(", ")}.`;
  $("time").max = n - 1;
  $("time").addEventListener("input", e => show(Number(e.target.value)));
  $("play").addEventListener("click", toggle);
  $("back").addEventListener("click", () => show(now - 1));
  $("next").addEventListener("click", () => show(now + 1));
  document.addEventListener("keydown", e => {
    const inside = e.target.closest("button, input, summary");
    if (inside && inside.matches("input:not(#time)")) return;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: n - 1 }[e.key];
    if (to !== undefined && !(inside && inside.id === "time")) { show(to); e.preventDefault(); }
    if (e.key === " " && !(inside && inside.id !== "time")) { toggle(); e.preventDefault(); }
  });
  addEventListener("resize", () => {
    if (small === innerWidth < 700) return;
    small = !small;
    X = strip();
    show(now);
  });
  show(0);
  ledger.check();
})();
