"""Measures what the attribute costs, next to tracing::instrument(skip_all) and fastrace::trace.

    python3 tests/research/comparison/attribute.py [check] [instructions] [expansion] [build] [sizes] [depth] [calls] [clean]

Needs cargo and rustc, and a quiet machine: times are the lowest CPU time of several runs (RUNS, 5 by default), printed relative to the
plain functions. `instructions` counts instructions instead, and needs valgrind. `clean` builds a program from scratch with and without
the library, and takes minutes. Without arguments, all but these two run.
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
    """Writes a package that depends on every crate in the comparison, so that they are built only once."""
    (WORK / "src").mkdir(parents=True, exist_ok=True)
    (WORK / "Cargo.toml").write_text(MANIFEST.replace("ROOT", str(ROOT)))
    source = WORK / "src" / "main.rs"
    if not source.exists():
        source.write_text("fn main() {}\n")


def cargo(*arguments):
    package()
    subprocess.run(["cargo", *arguments], cwd=WORK, check=True)


def externs(profile):
    """Returns the rustc arguments that locate the crates which the generated code uses."""
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
    """Compiles one file, and returns the CPU seconds it took; None if it does not compile."""
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
    for _ in range(RUNS):  # alternating, so that other load affects all of them
        for name in generate.ATTRIBUTES:
            seconds = rustc(WORK / f"{name}.rs", "--crate-type=lib", "--crate-name=functions", *arguments, *crates)
            if seconds is None:
                sys.exit(f"{name} does not compile")
            least[name] = min(least.get(name, seconds), seconds)
    print(f"\n{title}, 300 functions of 40 lines, CPU time relative to plain")
    for name, seconds in least.items():
        print(f"  {name:16} {seconds / least['plain']:.2f}")


def instructions():
    """Like `check`, in instructions. Compiles 10 and 30 functions, whose difference leaves out the fixed cost."""
    crates = externs("debug")
    sysroot = pathlib.Path(subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip())
    counts = {}
    for name in generate.ATTRIBUTES:
        for count in (10, 30):
            source = WORK / "counted.rs"
            source.write_text(generate.functions(name, count))
            command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sysroot / "bin/rustc"]
            command += ["--edition=2024", "--crate-type=lib", "--emit=metadata", *crates, "-o", WORK / "out", source]
            environment = os.environ | {"LD_LIBRARY_PATH": str(sysroot / "lib")}
            run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            total = int(re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)[1].replace(",", ""))
            counts[name] = total - counts.get(name, 0)
    print("\ncargo check, instructions per function relative to plain")
    for name, count in counts.items():
        print(f"  {name:16} {count / counts['plain']:.3f}")


def check():
    compile_times("cargo check", "--emit=metadata")


def expansion():
    """The time of the compiler's macro expansion pass, minus that of the plain functions."""
    crates = externs("debug")
    least = {}
    for name in generate.ATTRIBUTES:
        (WORK / f"{name}.rs").write_text(generate.functions(name))
    for _ in range(RUNS):
        for name in generate.ATTRIBUTES:
            command = ["rustc", "--edition=2024", "--crate-type=lib", "--crate-name=functions", "--emit=metadata", "-Ztime-passes", *crates]
            command += ["-o", WORK / "out", WORK / f"{name}.rs"]
            # A released compiler prints the times of its passes only with this variable.
            environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}
            run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            seconds = float(re.search(r"time:\s+([\d.]+);.*\smacro_expand_crate\s", run.stderr + run.stdout)[1])
            least[name] = min(least.get(name, seconds), seconds)
    print("\nmacro expansion, minus plain: milliseconds per function, and relative to tracing")
    for name, seconds in least.items():
        extra = seconds - least["plain"]
        print(f"  {name:16} {extra / 300 * 1000:.2f} {extra / (least['tracing'] - least['plain']):.2f}")


def build():
    compile_times("cargo build", "--emit=metadata,link", "-Cdebuginfo=2")


def depth():
    crates = externs("debug")
    print("\nnested calls that tokio::spawn accepts at the default recursion limit: outermost defined first, innermost defined first")

    def accepts(name, length, innermost_first):
        source = WORK / "chain.rs"
        source.write_text(generate.chain(name, length, innermost_first))
        return rustc(source, "--emit=obj", "--crate-type=bin", *crates) is not None

    def longest(name, innermost_first):
        low, high = 1, 64
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if accepts(name, middle, innermost_first) else (low, middle - 1)
        return low

    for name in ("plain", "otas", "tracing", "fastrace"):
        # The compiler computes layouts in order of definition. If the outermost function is defined first, it recurses through the
        # whole chain; if the innermost is, every inner layout is already known.
        print(f"  {name:16} {longest(name, False)} {longest(name, True)}")


def run(program, **variables):
    """Runs a generated program, built in release mode."""
    package()
    (WORK / "src" / "main.rs").write_text(program)
    cargo("build", "--release", "--quiet")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTAS_")}
    subprocess.run([WORK / "target/release/bench-attribute"], check=True, env=environment | variables)


def sizes():
    print("\nsize of the future, bytes")
    run(generate.sizes())


def calls():
    print("\nnanoseconds per call, OTAS disabled, no subscriber")
    run(generate.calls(), OTAS_DISABLED="1")


def clean():
    """Builds a program that uses reqwest, tokio and serde_json from scratch, with and without the library."""
    dependencies = 'reqwest = "0.13"\ntokio = { version = "1", features = ["rt-multi-thread", "macros"] }\nserde_json = "1"\n'
    spent, units = {}, {}
    for name, library in (("without", ""), ("with", f'otas = {{ path = "{ROOT}/runtime" }}\n')):
        home = WORK / f"clean-{name}"
        shutil.rmtree(home, ignore_errors=True)
        (home / "src").mkdir(parents=True)
        head = '[package]\nname = "program"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
        (home / "Cargo.toml").write_text(head + dependencies + library)
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
    print(f"\nclean build, CPU time with the library relative to without: {spent['with'] / spent['without']:.2f}")
    added = {name: seconds for name, seconds in units["with"].items() if name not in units["without"]}
    print("seconds per crate that only the library adds, measured while other crates build in parallel")
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
