"""JUnit: what came of a suite, as the XML that CI services show: a suite a run, a case for each thing that was held."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from gridbazaar.experiments.evaluation.suite import BROKEN, SKIPPED, SOUND, Ran


def to_junit(ran: Ran) -> str:
    """Give the text of the file."""
    failed = [o for o in ran.outcomes if o.verdict not in (SOUND, SKIPPED)]
    top = Xml.Element(
        "testsuites", name=ran.suite.path.stem, tests=str(len(ran.outcomes)),
        failures=str(sum(o.verdict != BROKEN for o in failed)), errors=str(len(ran.verdicts(BROKEN))),
        time=f"{sum(ran.seconds.values()):.3f}",
    )  # fmt: skip
    for run, seconds in ran.seconds.items():
        of_run = [o for o in ran.outcomes if o.run == run]
        broken = [o for o in of_run if o.verdict == BROKEN]
        suite = Xml.SubElement(
            top, "testsuite", name=run, tests=str(len(of_run)), errors=str(len(broken)), time=f"{seconds:.3f}",
            failures=str(sum(o.verdict not in (SOUND, SKIPPED, BROKEN) for o in of_run)),
            skipped=str(sum(o.verdict == SKIPPED for o in of_run)),
        )  # fmt: skip
        for outcome in of_run:
            named = ".".join(part for part in (ran.suite.path.stem, run, outcome.policy) if part)
            case = Xml.SubElement(suite, "testcase", classname=named, name=outcome.what)
            if outcome.verdict == SKIPPED:
                Xml.SubElement(case, "skipped", message=outcome.text)
            elif outcome.verdict != SOUND:
                tag = "error" if outcome.verdict == BROKEN else "failure"
                Xml.SubElement(case, tag, type=outcome.verdict, message=outcome.text)
    Xml.indent(top, " ")
    return Xml.tostring(top, encoding="unicode", xml_declaration=True) + "\n"
