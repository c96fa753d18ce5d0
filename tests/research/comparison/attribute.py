"""Measures what the attribute costs, side by side with tracing::instrument(skip_all) and fastrace::trace.

    python3 tests/research/comparison/attribute.py [check] [instructions] [expansion] [build] [sizes] [depth] [calls] [clean]

Needs cargo, rustc and python3, and a quiet machine: figures are ratios of the least CPU time of several runs. `instructions` counts in
place of the clock, and needs valgrind; `clean` builds a program with and without the library from nothing, and takes minutes. Without
arguments: everything but these two.
"""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

import generate

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORK = ROOT / "target" / "bench_attribute"
RUNS = int(os.environ.get("RUNS", "5"))

MANIFEST = """[package]
name = "bench-attribute"
version = "0.0.0"
edition = "2024"

[dependencies]
otas = { path = "ROOT/runtime" }
tokio = { version = "1", features = ["rt", "time", "macros"] }
tracing = "0.1"
fastrace = { version = "0.7", features = ["enable"] }

[workspace]
"""


def package():
    """A package with every crate that is compared; its dependencies are built once."""
    (WORK / "src").mkdir(parents=True, exist_ok=True)
    (WORK / "Cargo.toml").write_text(MANIFEST.replace("ROOT", str(ROOT)))
    source = WORK / "src" / "main.rs"
    if not source.exists():
        source.write_text("fn main() {}\n")


def cargo(*arguments):
    package()
    subprocess.run(["cargo", *arguments], cwd=WORK, check=True)


def externs(profile):
    """Where the crates are that the generated code names."""
    release = ["--release"] if profile == "release" else []
    package()
    command = ["cargo", "build", "--message-format=json", *release]
    out = subprocess.run(command, cwd=WORK, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = []
    for line in out.splitlines():
        message = json.loads(line)
        name = message.get("target", {}).get("name")
        if message["reason"] == "compiler-artifact" and name in ("otas", "tokio", "tracing", "fastrace"):
            found += ["--extern", f"{name}={[file for file in message['filenames'] if file.endswith('.rlib')][0]}"]
    return [*found, "-L", f"dependency={WORK}/target/{profile}/deps"]


def rustc(source, *arguments):
    """Compiles one file, and tells the CPU seconds that it took; nothing where it does not compile."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["rustc", "--edition=2024", *arguments, "-o", str(WORK / "out"), str(source)]
    run = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compile_times(title, *arguments):
    crates = externs("debug")
    least = {}
    for name in generate.ATTRIBUTES:
        (WORK / f"{name}.rs").write_text(generate.functions(name))
    for _ in range(RUNS):  # in turn, so that what else the machine does meets all of them
        for name in generate.ATTRIBUTES:
            seconds = rustc(WORK / f"{name}.rs", "--crate-type=lib", "--crate-name=functions", *arguments, *crates)
            if seconds is None:
                sys.exit(f"{name} does not compile")
            least[name] = min(least.get(name, seconds), seconds)
    print(f"\n{title}, 300 functions of 40 lines, CPU compared with plain")
    for name, seconds in least.items():
        print(f"  {name:16} {seconds / least['plain']:.2f}")


def instructions():
    """As `check`, where the clock is too noisy; needs valgrind. Fewer functions do, as their number is subtracted out."""
    crates = externs("debug")
    sysroot = pathlib.Path(subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip())
    counted = {}
    for name in generate.ATTRIBUTES:
        for count in (10, 30):
            source = WORK / "counted.rs"
            source.write_text(generate.functions(name, count))
            command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sysroot / "bin/rustc"]
            command += ["--edition=2024", "--crate-type=lib", "--emit=metadata", *crates, "-o", WORK / "out", source]
            environment = os.environ | {"LD_LIBRARY_PATH": str(sysroot / "lib")}
            run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            total = int(re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)[1].replace(",", ""))
            counted[name] = total - counted.get(name, 0)
    print("\ncargo check, instructions for each function compared with plain")
    for name, count in counted.items():
        print(f"  {name:16} {count / counted['plain']:.3f}")


def check():
    compile_times("cargo check", "--emit=metadata")


def expansion():
    """What the attribute itself takes: the compiler's pass that expands macros, less that of the plain functions, compared with tracing."""
    crates = externs("debug")
    least = {}
    for name in generate.ATTRIBUTES:
        (WORK / f"{name}.rs").write_text(generate.functions(name))
    for _ in range(RUNS):
        for name in generate.ATTRIBUTES:
            command = ["rustc", "--edition=2024", "--crate-type=lib", "--crate-name=functions", "--emit=metadata", "-Ztime-passes", *crates]
            command += ["-o", WORK / "out", WORK / f"{name}.rs"]
            # The passes' times are for developers of the compiler: a released one tells them only so.
            environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}
            run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            seconds = float(re.search(r"time:\s+([\d.]+);.*\smacro_expand_crate\s", run.stderr + run.stdout)[1])
            least[name] = min(least.get(name, seconds), seconds)
    print("\nexpansion of 300 functions, less that of plain ones: milliseconds for each, and compared with tracing")
    for name, seconds in least.items():
        more = seconds - least["plain"]
        print(f"  {name:16} {more / 300 * 1000:.2f} {more / (least['tracing'] - least['plain']):.2f}")


def build():
    compile_times("cargo build", "--emit=metadata,link", "-Cdebuginfo=2")


def depth():
    crates = externs("debug")
    print("\nnested calls that tokio::spawn accepts at the default recursion limit, defined outermost first and innermost first")

    def accepts(name, length, innermost_first):
        source = WORK / "chain.rs"
        source.write_text(generate.chain(name, length, innermost_first))
        return rustc(source, "--emit=obj", "--crate-type=bin", *crates) is not None

    def most(name, innermost_first):
        least, most = 1, 64
        while least < most:
            middle = (least + most + 1) // 2
            least, most = (middle, most) if accepts(name, middle, innermost_first) else (least, middle - 1)
        return least

    for name in ("plain", "otas", "tracing", "fastrace"):
        # The compiler computes layouts in the order of definition: outermost first it goes down the whole chain at once, innermost
        # first it finds each inner layout made.
        print(f"  {name:16} {most(name, False)} {most(name, True)}")


def run(program, **variables):
    """Runs a generated program in release."""
    package()
    (WORK / "src" / "main.rs").write_text(program)
    cargo("build", "--release", "--quiet")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTAS_")}
    subprocess.run([WORK / "target/release/bench-attribute"], check=True, env=environment | variables)


def sizes():
    print("\nbytes of the future")
    run(generate.sizes())


def calls():
    print("\nnanoseconds a call, OTAS switched off, no subscriber")
    run(generate.calls(), OTAS_DISABLED="1")


def clean():
    """A program on reqwest, tokio and serde_json, and the same with the library: a build from nothing, and what the library adds to it."""
    used = 'reqwest = "0.13"\ntokio = { version = "1", features = ["rt-multi-thread", "macros"] }\nserde_json = "1"\n'
    spent, units = {}, {}
    for name, more in (("without", ""), ("with", f'otas = {{ path = "{ROOT}/runtime" }}\n')):
        home = WORK / f"clean-{name}"
        shutil.rmtree(home, ignore_errors=True)
        (home / "src").mkdir(parents=True)
        head = '[package]\nname = "program"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
        (home / "Cargo.toml").write_text(head + used + more)
        (home / "src" / "main.rs").write_text("fn main() {}\n")
        subprocess.run(["cargo", "fetch", "--quiet"], cwd=home, check=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["cargo", "build", "--quiet", "--timings"], cwd=home, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        page = (home / "target" / "cargo-timings" / "cargo-timing.html").read_text()
        data = json.loads(re.search(r"const UNIT_DATA = (\[.*?\]);\n", page, re.DOTALL)[1])
        units[name] = {}
        for unit in data:
            units[name][unit["name"]] = units[name].get(unit["name"], 0) + unit["duration"]
    print(f"\nclean build, CPU with the library compared with without: {spent['with'] / spent['without']:.2f}")
    added = {name: seconds for name, seconds in units["with"].items() if name not in units["without"]}
    print("seconds of each crate that only the library brings, as the builds beside it let it go")
    for name, seconds in sorted(added.items(), key=lambda unit: -unit[1]):
        print(f"  {name:24} {seconds:.1f}")


def main():
    parts = {"check": check, "instructions": instructions, "expansion": expansion, "build": build, "sizes": sizes, "depth": depth, "calls": calls, "clean": clean}
    for name in sys.argv[1:] or [name for name in parts if name not in ("instructions", "clean")]:
        if name not in parts:
            sys.exit(__doc__)
        parts[name]()


if __name__ == "__main__":
    main()
