//! The faults that a test can inject, and which requests meet them.

use std::collections::VecDeque;
use std::time::Duration;

/// What happens to a request, instead of or in addition to being served.
///
/// Inject faults with [`Control::fail_next`](crate::Control::fail_next) or
/// [`Control::fail_randomly`](crate::Control::fail_randomly). Some strike *before* the request has
/// any effect (no session is created, no event stored), others *after*; each variant says which.
/// The request is always read, and is among [`Server::requests`](crate::Server::requests).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// A JSON response with this status. No effect.
    Status(u16),
    /// The same with a `Retry-After` header. No effect.
    RetryAfter {
        /// The HTTP status, such as 429 or 503.
        status: u16,
        /// The header's value.
        seconds: u64,
    },
    /// A rejection in the services' format: status and `status_description`. No effect.
    ///
    /// `Refusal(401, "invalid_or_expired_agent_key")` is Brain's response whenever UASAM is slow.
    Refusal(u16, &'static str),
    /// Django's debug page with this status. No effect.
    ///
    /// It shows the request's headers, including key and token, in clear text.
    Html(u16),
    /// The connection is reset, without a response. No effect.
    Reset,
    /// The request takes effect, then the connection is reset.
    ///
    /// If a client retries, the request takes effect twice.
    ResetAfterEffect,
    /// No response for this long, then the connection closes. No effect.
    Stall(Duration),
    /// The request takes effect at once, and its response follows this much later.
    Late(Duration),
    /// The request takes effect; its response arrives with this pause before each byte.
    Drip(Duration),
    /// The request takes effect; the connection closes after half of the response body.
    Truncated,
    /// A 200 with a JSON body of this many bytes. No effect.
    ///
    /// A client should not read it to its end.
    Huge(u64),
    /// A 307 to this URL. No effect.
    ///
    /// A client that follows it gives away its key and its token.
    Redirect(String),
    /// A session is created, but the token in the response is garbage.
    ///
    /// It has the three parts of a JSON Web Token. Other requests are served as usual.
    BadToken,
    /// Bytes that are not HTTP, then the connection closes. No effect.
    NotHttp,
}

/// The faults that are still to strike.
#[derive(Debug, Default)]
pub(crate) struct Script {
    next: VecDeque<(usize, Fault)>,
    random: Vec<(f64, Fault, fastrand::Rng)>,
}

impl Script {
    pub(crate) fn add_next(&mut self, count: usize, fault: Fault) {
        self.next.push_back((count, fault));
    }

    pub(crate) fn add_random(&mut self, probability: f64, fault: Fault, seed: u64) {
        self.random.push((probability, fault, fastrand::Rng::with_seed(seed)));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the fault for the request that has just arrived.
    pub(crate) fn draw(&mut self) -> Option<Fault> {
        while let Some((count, fault)) = self.next.front_mut() {
            if *count > 0 {
                *count -= 1;
                return Some(fault.clone());
            }
            self.next.pop_front();
        }
        // Each entry draws for each request, so that a hit of one does not shift another's
        // sequence.
        let draws = self.random.iter_mut().map(|(probability, fault, random)| (random.f64() < *probability, &*fault));
        draws.fold(None, |found, (hit, fault)| found.or_else(|| hit.then(|| fault.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_requests_meet_their_faults_in_order_and_then_none() {
        let mut script = Script::default();
        script.add_next(2, Fault::Reset);
        script.add_next(0, Fault::NotHttp);
        script.add_next(1, Fault::Status(503));
        let drawn: Vec<_> = (0..4).map(|_| script.draw()).collect();
        assert_eq!(drawn, [Some(Fault::Reset), Some(Fault::Reset), Some(Fault::Status(503)), None]);
    }

    #[test]
    fn the_same_seed_gives_the_same_random_faults() {
        let draw = |seed| {
            let mut script = Script::default();
            script.add_random(0.3, Fault::Reset, seed);
            (0..1000).map(|_| script.draw().is_some()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hits = draw(7).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits}");
    }
}
