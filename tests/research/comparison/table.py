"""The table of shapes: which function compiles below which attribute, or gets the messages that it should.

    python3 tests/research/comparison/table.py [word of the titles]

Each shape of shapes.txt is compiled plain and below each attribute; the head of that file tells how a shape is written.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

from attribute import WORK, externs

NAMES = ("plain", "otas", "tracing", "fastrace")
ATTRIBUTES = ("", "#[::otas::otas_session]", "#[::tracing::instrument(skip_all)]", "#[::fastrace::trace]")
WITH_ARGUMENTS = ("", "#[::otas::otas_session({})]", "#[::tracing::instrument({})]", "#[::fastrace::trace({})]")
SOURCE = WORK / "shape.rs"


def shapes():
    """Section, title, flags of the compiler, code and expectations of each shape."""
    section = ""
    for line in (pathlib.Path(__file__).parent / "shapes.txt").read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("=== "):
            title, _, flags = line[4:].partition(" | ")
            code, wanted = [], []
            yield section, title, flags.split(), code, wanted
        elif line.startswith("=> "):
            wanted.append(line[3:])
        elif section:
            code.append(line)


def annotated(code, which):
    """The code with the attribute on a line of its own, so that every place stays; nothing where the attribute has no such argument."""
    def put(match):
        if not match[1]:
            return f"\n{ATTRIBUTES[which]}\n"
        arguments = match[1].split(" / ")[which - 1]
        return "\n\n" if which == 0 else "\n\0\n" if arguments == "-" else f"\n{WITH_ARGUMENTS[which].format(arguments)}\n"

    text = re.sub(r"ATTR(?:<< (.*?) >>)? ?", put, "\n".join(code))
    return None if "\0" in text else f"#![allow(unused, non_upper_case_globals)]\n{text}\n"


def compiler(text, flags, crates, emit):
    """The compiler's run, and what it said: level, code, place, words, and the text at the place."""
    SOURCE.write_text(text)
    tool = "clippy-driver" if "clippy" in flags else "rustc"
    edition = [] if any("--edition" in flag for flag in flags) else ["--edition=2024"]
    flags = [flag for flag in flags if flag != "clippy"]
    command = [tool, *edition, *flags, *emit, "--error-format=json", "-o", str(WORK / "out"), *crates, str(SOURCE)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RUSTC_BOOTSTRAP": "1"})
    said = []
    for message in map(json.loads, filter(lambda line: line.startswith("{"), run.stderr.splitlines())):
        for place in [span for span in message.get("spans", []) if span["is_primary"]][:1]:
            code = (message["code"] or {}).get("code", "") or message["message"]
            words = [message["message"], code, *(span["label"] or "" for span in message["spans"])]
            line = place["text"][0] if place["text"] else {"text": "", "highlight_start": 1, "highlight_end": 1}
            token = line["text"][line["highlight_start"] - 1 : line["highlight_end"] - 1]
            position = [place[part] for part in ("line_start", "column_start", "line_end", "column_end")]
            said.append((message["level"], code, position, " ".join(words), token))
    return run, said


def compiles(text, flags, crates):
    run, _ = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    return run.returncode == 0


def prints(text, flags, crates):
    run, _ = compiler(text, flags, crates, ["--crate-type=bin", "--emit=link"])
    return run.returncode == 0 and subprocess.check_output([WORK / "out"], text=True, env=os.environ | {"OTAS_DISABLED": "1"})


def regions(text, flags, crates):
    run, _ = compiler(text, [*flags, "-Cinstrument-coverage"], crates, ["--crate-type=lib", "--emit=mir"])
    lines = (WORK / "out").read_text().splitlines() if run.returncode == 0 else []
    return {line.partition("=> ")[2] for line in lines if line.strip().startswith("coverage ")}


def told(text, flags, crates, wanted):
    """Whether these messages and no others come, each at its token."""
    run, said = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    errors = [one for one in said if one[0] == "error"]
    if run.returncode == 0:
        return "a warning" if said else "**no message**"
    if wanted != ["one message"]:
        for line in wanted:
            words, _, tokens = line.partition(" @ ")
            found = [one for one in errors if all(any(word in one[3] for word in part.split(" / ")) for part in words.split(" | "))]
            if not found:
                return "other words"
            if tokens and not any(one[4] in tokens.split(" / ") for one in found):
                return "elsewhere"
    return "yes" if len(errors) == len(wanted) else f"{len(errors)} messages"


def said_as_plain(text, flags, crates):
    _, said = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    return [one[:3] for one in said]


def compared(result, plain):
    """What differs first: that something is said, the codes, how many there are, the places."""
    if result == plain:
        return "yes"
    if not result:
        return "**no message**"
    if not {one[1] for one in plain} <= {one[1] for one in result}:
        return "another code"
    return f"{len(result)} messages" if len(result) != len(plain) else "elsewhere"


AS_PLAIN = {
    "as plain": (said_as_plain, compared),
    "prints as plain": (prints, lambda result, plain: "yes" if result == plain else "**no**"),
    "regions as plain": (regions, lambda result, plain: f"{len(result & plain)} of {len(plain)}"),
}


def row(flags, code, wanted, crates):
    texts = [annotated(code, which) for which in range(len(NAMES))]
    if not wanted:
        return [text and ("yes" if compiles(text, flags, crates) else "**no**") for text in texts]
    if wanted[0] in AS_PLAIN:
        run, compare = AS_PLAIN[wanted[0]]
        results = [run(text, flags, crates) for text in texts]
        if not results[0]:
            sys.exit(f"the plain function has nothing to compare: {code}")
        return [compare(result, results[0]) for result in results]
    cells = [text and told(text, flags, crates, wanted) for text in texts]
    return ["yes" if cells[0] == "yes" else "", *cells[1:]]


def main():
    crates = externs("debug")
    printed = None
    for section, title, flags, code, wanted in list(shapes()):
        if not all(word in title for word in sys.argv[1:]):
            continue
        if section != printed:
            print(f"\n**{section}**\n\n| shape | {' | '.join(NAMES)} |\n" + "|---" * 5 + "|")
            printed = section
        cells = row(flags, code, wanted, crates)
        print(f"| {title} | " + " | ".join(cell or "" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
