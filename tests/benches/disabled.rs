//! Compares a call of an annotated function while OTAS is disabled with a call of the plain function.
//!
//! `cargo bench -p otas-tests --bench disabled` prints the nanoseconds per call of both, each the
//! best of 15 alternating rounds, and fails if the annotated call takes over 20 ns more.

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use otas::{Client, Config, otas_session};

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 15;
const MAX_OVERHEAD: f64 = 20.0;

#[inline(never)]
async fn plain(number: u32) -> u32 {
    black_box(number) ^ 1
}

#[otas_session(meta = { "number": number, "text": format!("never evaluated: {number}") })]
#[inline(never)]
async fn annotated(number: u32) -> u32 {
    black_box(number) ^ 1
}

/// Polls a future that is expected to be ready at once.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Returns the nanoseconds per call.
fn round<F: Future<Output = u32>>(call: impl Fn(u32) -> F) -> f64 {
    let started = Instant::now();
    for number in 0..CALLS {
        black_box(poll_once(call(black_box(number))));
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn main() -> ExitCode {
    let config = Config::from_vars([("OTAS_DISABLED", "true")]).unwrap();
    let _guard = otas::init(Client::new(config).unwrap()).unwrap();
    let mut best = (f64::MAX, f64::MAX);
    // The rounds alternate so that other load on the machine affects both functions.
    for _ in 0..ROUNDS {
        best = (best.0.min(round(plain)), best.1.min(round(annotated)));
    }
    let overhead = best.1 - best.0;
    println!(
        "OTAS disabled: plain {:.1} ns, annotated {:.1} ns, overhead {overhead:.1} ns (at most {MAX_OVERHEAD})",
        best.0, best.1
    );
    if overhead <= MAX_OVERHEAD { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
