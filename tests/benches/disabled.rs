//! What an annotated call costs beside the plain one where OTAS is switched off: 20 nanoseconds at the most.

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use otas::{Client, Config, otas_session};

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 15;
const MOST: f64 = 20.0;

#[inline(never)]
async fn plain(number: u32) -> u32 {
    black_box(number) ^ 1
}

#[otas_session(meta = { "number": number, "text": format!("never made: {number}") })]
#[inline(never)]
async fn annotated(number: u32) -> u32 {
    black_box(number) ^ 1
}

/// Polls a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Nanoseconds of one call.
fn round<F: Future<Output = u32>>(call: impl Fn(u32) -> F) -> f64 {
    let began = Instant::now();
    for number in 0..CALLS {
        black_box(now(call(black_box(number))));
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn main() -> ExitCode {
    let config = Config::from_vars([("OTAS_DISABLED", "true")]).unwrap();
    let _guard = otas::init(Client::new(config).unwrap()).unwrap();
    let mut best = (f64::MAX, f64::MAX);
    // In turns, and the best of each: whatever else the machine does hits both.
    for _ in 0..ROUNDS {
        best = (best.0.min(round(plain)), best.1.min(round(annotated)));
    }
    let more = best.1 - best.0;
    println!("switched off: plain {:.1} ns, annotated {:.1} ns, {more:.1} ns more (at most {MOST})", best.0, best.1);
    if more <= MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
