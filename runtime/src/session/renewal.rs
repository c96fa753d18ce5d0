//! Decides when a session token has to be renewed, by pure functions of `now`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::error::Error;
use crate::token::Grant;

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };

/// The token in use, and what is known about the next one.
pub(crate) struct Renewal {
    pub(crate) grant: Arc<Grant>,
    /// How many renewals have finished, successful or not. A caller that waited for one can see
    /// that it happened.
    pub(crate) generation: u64,
    /// Why the last renewal failed; `None` if it succeeded.
    pub(crate) last_error: Option<Error>,
    failures: u32,
    due: Instant,
    expires: Option<Instant>,
}

/// Whether a renewal is due when the token is used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The token is good.
    No,
    /// The token is good, but a new one should be requested.
    Soon,
    /// The token has expired: wait for the new one.
    Now,
}

impl Renewal {
    /// Counts from the receipt of the token: the server's clock may differ from this one.
    pub(crate) fn new(grant: Grant, before: Duration, now: Instant) -> Self {
        let early = before.min(grant.lifetime / 2);
        let far = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        Self {
            generation: 0,
            last_error: None,
            failures: 0,
            due: now.checked_add((grant.lifetime - early).min(far)).unwrap_or(now),
            expires: now.checked_add(grant.lifetime),
            grant: Arc::new(grant),
        }
    }

    pub(crate) fn due(&self, now: Instant) -> Due {
        if now < self.due {
            Due::No
        } else if self.expires.is_some_and(|expires| now >= expires) {
            Due::Now
        } else {
            Due::Soon
        }
    }

    /// A new token was granted.
    pub(crate) fn succeed(&mut self, grant: Grant, before: Duration, now: Instant) {
        *self = Self { generation: self.generation + 1, ..Self::new(grant, before, now) };
    }

    /// No new token was granted: due again later, and the old one serves until then.
    pub(crate) fn fail(&mut self, error: Error, now: Instant) {
        self.failures += 1;
        self.generation += 1;
        self.last_error = Some(error);
        self.due = now + BACKOFF.delay(self.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const HOUR: Duration = Duration::from_secs(3600);

    fn grant(life: Duration) -> Grant {
        let mut grant =
            Grant::decode("e30.eyJhZ2VudF9zZXNzaW9uX2lkIjoicyIsImFnZW50X2lkIjoiYSIsImlhdCI6MCwiZXhwIjoxfQ.x").unwrap();
        grant.lifetime = life;
        grant
    }

    #[test]
    fn a_token_is_renewed_a_day_before_it_expires_or_after_half_its_life() {
        let now = Instant::now();
        let month = Renewal::new(grant(HOUR * 720), HOUR * 24, now);
        assert_eq!(month.due(now + HOUR * 696 - HOUR / 60), Due::No);
        assert_eq!(month.due(now + HOUR * 696), Due::Soon);
        assert_eq!(month.due(now + HOUR * 720), Due::Now);
        let short = Renewal::new(grant(HOUR), HOUR * 24, now);
        assert_eq!(short.due(now + HOUR / 2 - HOUR / 60), Due::No);
        assert_eq!(short.due(now + HOUR / 2), Due::Soon);
        let endless = Renewal::new(grant(Duration::MAX), HOUR * 24, now);
        assert_eq!(endless.due(now + HOUR * 24 * 365), Due::No);
    }

    #[test]
    fn a_failed_renewal_is_retried_with_growing_delays_up_to_a_minute() {
        let mut now = Instant::now();
        let mut renewal = Renewal::new(grant(HOUR), HOUR * 24, now);
        now += HOUR / 2;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(renewal.due(now), Due::Soon);
            renewal.fail(Error::new(Kind::Disabled), now);
            now += Duration::from_secs(seconds) - Duration::from_millis(1);
            assert_eq!(renewal.due(now), Due::No);
            now += Duration::from_millis(1);
        }
        renewal.succeed(grant(HOUR), HOUR * 24, now);
        assert_eq!((renewal.due(now), renewal.last_error.is_none(), renewal.generation), (Due::No, true, 9));
    }
}
