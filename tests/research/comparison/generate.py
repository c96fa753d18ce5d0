"""Generates the programs that attribute.py measures: async functions, plain and below each attribute."""

BODY = """    let mut total = seed;
    let mut seen: Vec<String> = Vec::new();
    for step in 0..limit {
        let text = format!("{name}-{step}");
        if text.len() > 20 {
            seen.push(text);
            continue;
        }
        let parsed = match text.rsplit('-').next() {
            Some(tail) => tail.parse::<u64>().map_err(|error| error.to_string())?,
            None => return Err(String::from("no tail")),
        };
        total = total.wrapping_add(parsed);
        step_NUMBER(total).await;
        if total % 7 == 0 {
            seen.retain(|one| one.len() > 3);
        }
    }
    let mut counts = HashMap::new();
    for one in &seen {
        *counts.entry(one.len()).or_insert(0usize) += 1;
    }
    let longest = counts.keys().copied().max().unwrap_or_default();
    let mut lines = seen.iter().map(|one| one.to_uppercase()).collect::<Vec<_>>();
    lines.sort();
    if let Some(first) = lines.first() {
        total += first.len() as u64;
    }
    step_NUMBER(longest as u64).await;
    let joined = lines.join(",");
    let summary = Summary {
        total,
        joined,
        longest,
    };
    if summary.total == 0 {
        return Err(format!("{name}: nothing"));
    }
    Ok(summary)
"""

HEAD = """#![allow(dead_code)]
use std::collections::HashMap;

pub struct Summary {
    pub total: u64,
    pub joined: String,
    pub longest: usize,
}
"""

ATTRIBUTES = {
    "plain": "",
    "otas": '#[otas::otas_session(meta = { "name": name, "limit": limit, seed })]',
    "otas, no meta": "#[otas::otas_session]",
    "tracing": "#[tracing::instrument(skip_all)]",
    "fastrace": "#[fastrace::trace]",
}


def functions(attribute, count=300):
    """Returns a crate of `count` functions below the attribute."""
    parts = [HEAD]
    for number in range(count):
        parts.append(f"async fn step_{number}(_: u64) {{}}\n")
        parts.append(ATTRIBUTES[attribute])
        parts.append(f"pub async fn call_{number}(name: &str, limit: usize, seed: u64) -> Result<Summary, String> {{")
        parts.append(BODY.replace("NUMBER", str(number)) + "}\n")
    # Calls every function, so that machine code is generated for it.
    parts.append("pub fn all() -> usize {\n    let mut size = 0;")
    parts.extend(f"    size += spawn(call_{number}(\"a\", 1, 2));" for number in range(count))
    parts.append("    size\n}\n")
    parts.append(
        "fn spawn<F: std::future::Future>(future: F) -> usize {\n"
        "    let mut future = Box::pin(future);\n"
        "    let mut context = std::task::Context::from_waker(std::task::Waker::noop());\n"
        "    usize::from(future.as_mut().poll(&mut context).is_ready())\n}\n"
    )
    return "\n".join(parts)


def chain(attribute, length, innermost_first):
    """Returns a program that spawns `length` nested calls of functions defined in the given order."""
    attribute = "#[otas::otas_session]" if attribute == "otas" else ATTRIBUTES[attribute]
    parts = []
    for number in range(length):
        inner = f"call_{number + 1}().await + 1" if number + 1 < length else "tokio::task::yield_now().await; 1"
        parts.append(f"{attribute}\nasync fn call_{number}() -> usize {{ {inner} }}")
    if innermost_first:
        parts.reverse()
    parts.append("fn main() { let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();")
    parts.append("    runtime.block_on(async { tokio::spawn(call_0()).await }).unwrap(); }")
    return "\n".join(parts)


SHAPES = """
ATTRIBUTE
pub async fn empty() {}

ATTRIBUTE
pub async fn local() -> u8 {
    let local = [1u8; 1024];
    tokio::task::yield_now().await;
    local.iter().fold(0, |sum, x| x ^ sum)
}

ATTRIBUTE
pub async fn argument(argument: [u8; 1024]) -> u8 {
    tokio::task::yield_now().await;
    argument.iter().fold(0, |sum, x| x ^ sum)
}

ATTRIBUTE
pub async fn level_1() -> u8 {
    local().await
}

ATTRIBUTE
pub async fn level_2() -> u8 {
    level_1().await
}
"""


def modules(text):
    """Returns one module per attribute, with the same functions in each."""
    parts = []
    for name in ("plain", "otas, no meta", "tracing", "fastrace"):
        module = name.split(",")[0]
        parts.append(f"mod {module} {{\n{text.replace('ATTRIBUTE', ATTRIBUTES[name])}\n}}")
    return "#![allow(dead_code)]\n" + "\n".join(parts)


def sizes():
    """Returns a program that prints the size of each future."""
    calls = ("empty()", "local()", "argument([0; 1024])", "level_1()", "level_2()")
    names = ("plain", "otas", "tracing", "fastrace")
    lines = [
        f'    println!("  {call:20} {" ".join([name + " {}" for name in names])}", '
        + ", ".join(f"size_of_val(&{name}::{call})" for name in names)
        + ");"
        for call in calls
    ]
    return modules(SHAPES) + "\nfn main() {\n" + "\n".join(lines) + "\n}\n"


def calls():
    """Returns a program that prints the duration of a call of a function without an await."""
    text = "ATTRIBUTE\npub async fn call(x: u64) -> u64 { std::hint::black_box(x) + 1 }"
    names = ("plain", "otas", "tracing", "fastrace")
    lines = "\n".join(f'    print("{name}", {name}::call);' for name in names)
    return (
        modules(text)
        + """
fn print<F: std::future::Future<Output = u64>>(name: &str, call: impl Fn(u64) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut least = f64::MAX;
    for _ in 0..20 {
        let start = std::time::Instant::now();
        runtime.block_on(async {
            let mut x = 0;
            for _ in 0..1_000_000 {
                x = call(x).await;
            }
            std::hint::black_box(x);
        });
        least = least.min(start.elapsed().as_nanos() as f64 / 1e6);
    }
    println!("  {name:16} {least:.1}");
}

fn main() {
"""
        + lines
        + "\n}\n"
    )
