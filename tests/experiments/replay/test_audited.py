"""The page of an audited day checks its own trades, and names the one that was touched."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.replay.audited import audited
from gridbazaar.experiments.replay.page import render
from gridbazaar.market.ledger.log.canonical import canonical
from gridbazaar.market.ledger.log.jsonl import write_export
from gridbazaar.market.ledger.log.merkle import check_inclusion, leaf_hash
from gridbazaar.market.ledger.log.note import Checkpoint, Note
from gridbazaar.market.ledger.log.proofs import prove_inclusion
from gridbazaar.market.ledger.verify import opened as ledger_opened
from tests.browser import answers, in_browser, look, opened
from tests.experiments.cli.runner import invoke
from tests.experiments.replay.conftest import EPISODE

pytestmark = pytest.mark.slow

READ = """
await new Promise(done => setTimeout(done, 50));
return {
  verdict: document.getElementById("verdict").textContent,
  findings: [...document.querySelectorAll("#findings li")].map(row => row.firstChild.textContent),
  marks: [...document.querySelectorAll("tr.wrong")].length,
};
"""


def _said(page: dict[str, Any], folder: Path, before: str = "") -> Any:
    return answers(render(page, ""), folder, before + READ)


def _copy_of(day: Path, folder: Path, *statements: tuple[str, Any]) -> Path:
    path = folder / f"touched_{len(list(folder.iterdir()))}.db"
    path.write_bytes(day.read_bytes())
    with closing(sqlite3.connect(path)) as db, db:
        for statement, values in statements:
            db.execute(statement, values)
    return path


def test_each_trade_comes_with_a_path_to_the_root_of_its_interval(with_ledger: dict[str, Any]) -> None:
    held = with_ledger["ledger"]
    nodes = base64.b64decode(held["nodes"])
    assert (held["policy"], held["origin"]) == ("opportunity_cost", "gridbazaar/village/opportunity_cost/test/3")
    assert len(held["checkpoints"]) == len(with_ledger["clock"])
    for end, place, path, entry in held["trades"]:
        signed = Checkpoint.parse(Note.parse(held["checkpoints"][end][1]).text)
        hashes = [nodes[32 * i : 32 * i + 32] for i in path]
        assert check_inclusion(leaf_hash(canonical(entry)), place, signed.size, hashes, signed.root)
    (shown, _), names = with_ledger["policies"], [*with_ledger["agents"], "market_operator"]
    pairs = [[names[s], names[b], wh, price] for pairs in shown["pairs"] for s, b, wh, price in pairs]
    trades = [entry for _, _, _, entry in held["trades"]]
    assert [[e["seller"], e["buyer"]] for e in trades] == [pair[:2] for pair in pairs]
    assert max(abs(e["energy_ukwh"] / 1e3 - pair[2]) for e, pair in zip(trades, pairs, strict=True)) <= 0.5
    assert max(abs(e["price_ucur_per_kwh"] / 1e2 - pair[3]) for e, pair in zip(trades, pairs, strict=True)) <= 0.5


def test_the_ledger_of_another_day_is_refused(played: dict[str, Played], day: Path) -> None:
    core = played["idle"].tally.core
    with pytest.raises(ValueError, match=r"log 'gridbazaar/village/opportunity_cost/test/3', expected '.*/test/4'"):
        audited(day, core, list(played), 4, "test")
    with pytest.raises(ValueError, match="expected 'gridbazaar/village/idle/test/3', which 'gridbazaar evaluate"):
        audited(day, core, ["idle"], EPISODE, "test")
    with pytest.raises(ValueError, match="it has 24 intervals, expected the 8 of the episode"):
        audited(day, Core(load_scenario("village", hours=2.0), 1), list(played), EPISODE, "test")


def test_the_command_embeds_a_ledger(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.html"
    asked = ["replay", "village", "--set", "hours=6.0", "--policies", "opportunity_cost", "--ledger", str(day)]
    done = invoke(main, [*asked, "--episode", str(EPISODE), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert '"origin":"gridbazaar/village/opportunity_cost/test/3"' in out.read_text()
    assert invoke(main, [*asked, "--out", str(tmp_path / "no.html")]).exit_code == 2
    assert not (tmp_path / "no.html").exists()


def test_a_days_page_stays_small(with_ledger: dict[str, Any]) -> None:
    made = len(render(with_ledger, "").encode()) - 40_000  # what does not grow with the day
    assert 4 * made + 40_000 < 2_000_000


@in_browser
def test_hashes_and_canonical_text_are_those_of_python(with_ledger: dict[str, Any], tmp_path: Path) -> None:
    texts = ["é€𝄞" * 9, *("a" * n for n in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000))]
    values = [
        {"b": [1, -5, None, True], "a": 'q"\\\n', "é": {"z": 0, "A": 2**53 - 1}},
        with_ledger["ledger"]["trades"][0][3],
    ]
    script = f"""
    const hash = text => Ledger.hex(Ledger.sha256(Ledger.utf8(text))), refused = [];
    for (const bad of [1.5, 2 ** 53, -0])
      try {{ Ledger.canonical({{ a: bad }}); }} catch (error) {{ refused.push(error.message); }}
    return [{json.dumps(texts)}.map(hash), {json.dumps(values)}.map(Ledger.canonical), refused.length,
      Ledger.hex(Ledger.publicKey({json.dumps(with_ledger["ledger"]["key"])}))];
    """
    hashes, written, n_refused, key = answers(render(with_ledger, ""), tmp_path, script)
    assert hashes == [sha256(text.encode()).hexdigest() for text in texts]
    assert written == [canonical(value).decode() for value in values]
    assert n_refused == 3
    assert len(key) == 64


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_sound_day_is_found_sound_and_fits(with_ledger: dict[str, Any], tmp_path: Path, width: int) -> None:
    seen = look(render(with_ledger, ""), tmp_path, width)
    assert (seen.errors, seen.addresses, seen.beyond, seen.scrolling) == ([], [], [], [])
    assert seen.scrolls <= width
    n = len(with_ledger["ledger"]["trades"])
    said = _said(with_ledger, tmp_path)
    assert said["verdict"] == (
        f"✓ Sound: each of the {n} trades of opportunity_cost leads to the root of its interval, 24 checkpoints in "
        "all, and all are signed by the operator's key."
    )
    assert (said["findings"], said["marks"]) == ([], 0)


def _energy(page: dict[str, Any], entry: dict[str, Any]) -> None:
    entry["energy_ukwh"] += 1_000_000


def _buyer(page: dict[str, Any], entry: dict[str, Any]) -> None:
    entry["buyer"] = "vpp_1"


def _a_unit_of_money(page: dict[str, Any], entry: dict[str, Any]) -> None:
    entry["pay_ucur"] += 1


@in_browser
@pytest.mark.parametrize("touch", [_energy, _buyer, _a_unit_of_money])
def test_a_trade_that_was_touched_in_the_page_is_named(
    with_ledger: dict[str, Any], tmp_path: Path, touch: Callable[[Any, Any], None]
) -> None:
    page = deepcopy(with_ledger)
    entry = page["ledger"]["trades"][7][3]
    was = dict(entry)
    touch(page, entry)
    said = _said(
        page, tmp_path, f"for (let i = 0; i < {entry['interval']}; i++) document.getElementById('next').click();"
    )
    assert said["verdict"].startswith("✗ Not sound: 1 finding among the")
    (words,) = said["findings"]
    clock = with_ledger["clock"][entry["interval"]]
    kwh = f"{entry['energy_ukwh'] / 1e6:.3f} kWh at {entry['price_ucur_per_kwh'] / 1e6:.4f} EUR/kWh"
    assert words.startswith(
        f"interval {entry['interval']} ({clock}), trade {entry['txid']}: {entry['seller']} sells {entry['buyer']} {kwh}"
    )
    assert "is not what the log signed" in words
    assert ("; what happened: " in words) == (touch is not _a_unit_of_money)
    if touch is not _a_unit_of_money:
        assert f"{was['seller']} sold {was['buyer']} {was['energy_ukwh'] / 1e6:.3f} kWh" in words
    assert said["marks"] == 1
    beyond = answers(
        render(page, ""), tmp_path,
        f"""for (let i = 0; i < {entry["interval"]}; i++) document.getElementById("next").click();
        const wide = [...document.querySelectorAll("article table")]
          .filter(t => t.getBoundingClientRect().right > t.closest("div").getBoundingClientRect().right + 1);
        const range = document.createRange();
        const lines = cell => {{ range.selectNodeContents(cell); return range.getClientRects().length; }};
        const parted = [...document.querySelectorAll(".pairs td")]
          .filter(c => Number(c.textContent) > 0 && lines(c) > 1);
        return [wide.length, parted.length];""",
        width=390,
    )  # fmt: skip
    assert beyond == [0, 0], "a table reaches beyond its box on a phone, or a number is broken over two lines"


@in_browser
def test_the_verdict_stands_above_and_a_finding_leads_to_its_trade(with_ledger: dict[str, Any], tmp_path: Path) -> None:
    script = """
    const top = document.getElementById("standing");
    for (let i = 0; i < 100 && top.hidden; i++) await new Promise(r => setTimeout(r, 20));
    const link = document.querySelector("#standing a"), go = document.querySelector("#findings button");
    if (go) go.click();
    const row = document.querySelector("tr.wrong"), box = row && row.getBoundingClientRect();
    return [!top.hidden, link.textContent, link.getAttribute("href"),
      box ? box.top >= 0 && box.bottom <= innerHeight : null];
    """
    sound = "✓ The ledger of this day was checked: no finding"
    assert answers(render(with_ledger, ""), tmp_path, script) == [True, sound, "#proofs", None]
    page = deepcopy(with_ledger)
    _a_unit_of_money(page, page["ledger"]["trades"][7][3])
    touched = "✗ The ledger of this day is not sound: 1 finding"
    for width in (390, 1280):
        assert answers(render(page, ""), tmp_path, script, width) == [True, touched, "#proofs", True]


@pytest.mark.slow
@in_browser
def test_a_trade_that_was_left_out_and_a_signature_that_was_touched_are_named(
    with_ledger: dict[str, Any], tmp_path: Path
) -> None:
    page = deepcopy(with_ledger)
    *_, gone = page["ledger"]["trades"].pop(5)
    other = page["ledger"]["checkpoints"][20]
    other[1] = other[1][:-9] + ("A" if other[1][-9] != "A" else "B") + other[1][-8:]
    said = _said(page, tmp_path)
    missing, unsigned = said["findings"]
    assert missing.startswith(f"interval {gone['interval']} (")
    assert f"a trade is missing from the ledger: {gone['seller']} sold {gone['buyer']}" in missing
    assert unsigned.startswith("interval 20 (17:00): its checkpoint is not signed with the key of gridbazaar/village")


@in_browser
def test_another_key_signs_nothing(with_ledger: dict[str, Any], tmp_path: Path) -> None:
    typed = """
    const key = document.getElementById("key"), clock = document.getElementById("clock").textContent;
    key.value = "00".repeat(32); key.dispatchEvent(new Event("change"));
    key.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    if (clock !== document.getElementById("clock").textContent) return "typing moved the time";
    """
    said = _said(with_ledger, tmp_path, typed)
    assert said["verdict"].startswith("✗ Not sound: 24 findings")
    assert said["findings"][-1] == "and 12 more"


@pytest.mark.slow
@in_browser
def test_without_ed25519_the_page_says_that_signatures_were_not_checked(
    with_ledger: dict[str, Any], tmp_path: Path
) -> None:
    without = """
    crypto.subtle.importKey = () => Promise.reject(new Error("none"));
    document.getElementById("key").dispatchEvent(new Event("change"));
    """
    said = _said(with_ledger, tmp_path, without)
    assert said["verdict"].startswith("✓ each of the")
    assert said["verdict"].endswith("was not checked: this browser has no Ed25519 for this page.")


@pytest.mark.slow
@in_browser
def test_a_file_that_was_touched_gives_a_page_that_says_so(
    recorded: dict[str, Any], played: dict[str, Played], day: Path, tmp_path: Path
) -> None:
    core = played["idle"].tally.core
    with ledger_opened(day) as contents:
        rows = [(r.seq, json.loads(r.body or b"")) for r in contents.records if b'"kind":"trade"' in (r.body or b"")]
    seq, entry = next(row for row in rows if row[1]["interval"] >= 10)
    forged = canonical(entry | {"seller": "ev_5"})
    change = "UPDATE entry SET body = ? WHERE seq = ?"
    body = audited(_copy_of(day, tmp_path, (change, (forged, seq))), core, list(played), EPISODE, "test")
    said = _said(recorded | {"ledger": body}, tmp_path)
    (words,) = said["findings"]
    assert f"{entry['txid']}: ev_5 sells {entry['buyer']}" in words
    assert f"what happened: {entry['seller']} sold {entry['buyer']}" in words
    both = ("UPDATE entry SET body = ?, leaf = ? WHERE seq = ?", (forged, leaf_hash(forged), seq))
    hashed = audited(_copy_of(day, tmp_path, both), core, list(played), EPISODE, "test")
    first, second = _said(recorded | {"ledger": hashed}, tmp_path)["findings"]
    assert first.startswith(f"from interval {entry['interval']} (")
    assert f"{entry['txid']}: ev_5 sells" in second
    broken = audited(_copy_of(day, tmp_path, (change, (b"{", seq))), core, list(played), EPISODE, "test")
    (words,) = _said(recorded | {"ledger": broken}, tmp_path)["findings"]
    assert f"{entry['txid']}: body is not JSON" in words


@pytest.mark.slow
@in_browser
def test_an_export_a_proof_and_a_database_are_opened(
    with_ledger: dict[str, Any], recorded: dict[str, Any], day: Path, tmp_path: Path
) -> None:
    *_, entry = with_ledger["ledger"]["trades"][9]
    with ledger_opened(day) as contents, (tmp_path / "day.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        write_export(contents, out, ["reading"])
    with ledger_opened(day) as contents:
        (tmp_path / "proof.json").write_text(prove_inclusion(contents, entry["txid"]), encoding="utf-8")
    sound = {name: (tmp_path / name).read_text(encoding="utf-8") for name in ("day.jsonl", "proof.json")}
    seller = f'"seller":"{entry["seller"]}"'
    line = canonical(entry).decode()
    touched = {name: text.replace(line, line.replace(seller, '"seller":"vpp_0"')) for name, text in sound.items()}
    cut = "\n".join(sound["day.jsonl"].split("\n")[:-40]) + "\n"

    def said(tab: Any, name: str, text: str | bytes) -> tuple[str, list[str]]:
        body = text if isinstance(text, bytes) else text.encode()
        tab.evaluate("document.getElementById('opened').textContent = ''")
        tab.set_input_files("#file", [{"name": name, "mimeType": "text/plain", "buffer": body}])
        tab.wait_for_function("document.getElementById('opened').textContent !== ''")
        rows = "[...document.querySelectorAll('#inFile li')].map(row => row.firstChild.textContent)"
        return tab.inner_text("#opened"), tab.evaluate(rows)

    with opened(render(with_ledger, ""), tmp_path) as held:
        for name, text in sound.items():
            assert said(held.page, name, text)[0].startswith(f"✓ {name}: sound; "), name
        assert ", 576 bodies withheld, 24 checkpoints" in said(held.page, "day.jsonl", sound["day.jsonl"])[0]
        words, found = said(held.page, "day.jsonl", touched["day.jsonl"])
        assert words.startswith("✗ day.jsonl: not sound, 2 findings")
        assert f"trade {entry['txid']}: vpp_0 sells {entry['buyer']}" in found[0]
        assert f"that is {entry['txid']}: {entry['seller']} sells {entry['buyer']}" in found[0]
        assert "do not have the signed root, nor then can" in found[1]
        words, found = said(held.page, "proof.json", touched["proof.json"])
        assert f"{entry['txid']}: vpp_0 sells" in found[0]
        assert "have no checkpoint" in said(held.page, "cut.jsonl", cut)[1][0]
        assert "gridbazaar ledger export day.db --jsonl" in said(held.page, "day.db", day.read_bytes())[0]
        assert "cannot be read" in said(held.page, "x.json", "{}")[0]
        assert not held.errors
    with opened(render(recorded, ""), tmp_path) as held:
        held.page.fill("#key", with_ledger["ledger"]["key"])
        assert said(held.page, "day.jsonl", sound["day.jsonl"])[0].startswith("✓ day.jsonl: sound; ")
        assert "do not have the signed root" in said(held.page, "day.jsonl", touched["day.jsonl"])[1][0]
