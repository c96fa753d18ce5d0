//! What Brain's answers mean: a pure function from what happened, and what happened before, to what is done.

use std::time::Duration;

use super::schedule::{TOKEN_PAUSE, Wait};
use super::stats::Reason;

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 201.
    Stored,
    /// Another status, with what the destination asks for.
    Answered { status: u16, retry_after: Option<Duration> },
    /// The agent key was refused; `changed` if it was read anew and is another one now.
    KeyRefused { changed: bool },
    /// The session's token was refused.
    TokenRefused,
    /// The event did not leave: no connection.
    NotSent,
    /// The event left, or a part of it, and no answer came: it may have been stored.
    Unanswered,
    /// The request could not be made from the event.
    Unsendable,
}

/// What an event has been through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// Tries, with the one that just ended.
    pub(crate) tries: u32,
    no_response: u32,
    failed: u32,
    token_refused: u32,
    key_changed: u32,
}

/// What is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    Drop(Reason),
    /// It is tried again; `why` becomes the reason if it grows too old. `outage` pauses the whole destination.
    Again {
        wait: Wait,
        outage: bool,
        why: Reason,
    },
}

const TRIES: u32 = 2;

/// The table. `key_worked` tells whether the agent key has worked before: its refusal is a passing fault then, since Brain refuses every key
/// while it cannot ask UASAM.
pub(crate) fn judge(outcome: &Outcome, history: &mut History, key_worked: bool) -> Verdict {
    history.tries = history.tries.saturating_add(1);
    match *outcome {
        Outcome::Stored => Verdict::Delivered,
        Outcome::NotSent => outage(None, Reason::Expired),
        Outcome::Answered { status: 408 | 429 | 502 | 503 | 504, retry_after } => outage(retry_after, Reason::Expired),
        Outcome::KeyRefused { changed: true } if counted(&mut history.key_changed) == 1 => {
            Verdict::Again { wait: Wait::None, outage: false, why: Reason::KeyRefused }
        }
        Outcome::KeyRefused { changed } if changed || key_worked => outage(None, Reason::KeyRefused),
        Outcome::KeyRefused { .. } => Verdict::Drop(Reason::KeyRefused),
        Outcome::Unanswered if counted(&mut history.no_response) < TRIES => outage(None, Reason::NoResponse),
        Outcome::Unanswered => Verdict::Drop(Reason::NoResponse),
        Outcome::TokenRefused if counted(&mut history.token_refused) < TRIES => {
            Verdict::Again { wait: Wait::Firm(TOKEN_PAUSE), outage: false, why: Reason::TokenRefused }
        }
        Outcome::TokenRefused => Verdict::Drop(Reason::TokenRefused),
        Outcome::Answered { status: 500.., retry_after } if counted(&mut history.failed) < TRIES => {
            Verdict::Again { wait: wait(retry_after), outage: false, why: Reason::ServerError }
        }
        Outcome::Answered { status: 500.., .. } => Verdict::Drop(Reason::ServerError),
        Outcome::Answered { .. } => Verdict::Drop(Reason::Refused),
        Outcome::Unsendable => Verdict::Drop(Reason::InternalError),
    }
}

fn outage(retry_after: Option<Duration>, why: Reason) -> Verdict {
    Verdict::Again { wait: wait(retry_after), outage: true, why }
}

fn wait(retry_after: Option<Duration>) -> Wait {
    retry_after.map_or(Wait::Backoff, Wait::AtLeast)
}

fn counted(count: &mut u32) -> u32 {
    *count = count.saturating_add(1);
    *count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(outcome: Outcome, key_worked: bool, times: usize) -> Vec<Verdict> {
        let mut history = History::default();
        (0..times).map(|_| judge(&outcome, &mut history, key_worked)).collect()
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, retry_after: None }
    }

    fn paused(why: Reason) -> Verdict {
        Verdict::Again { wait: Wait::Backoff, outage: true, why }
    }

    #[test]
    fn created_is_delivered() {
        assert_eq!(verdicts(Outcome::Stored, false, 1), [Verdict::Delivered]);
    }

    #[test]
    fn no_connection_and_a_busy_server_are_tried_again_for_as_long_as_the_event_lives() {
        for outcome in [Outcome::NotSent, answered(408), answered(429), answered(502), answered(503), answered(504)] {
            assert_eq!(verdicts(outcome, false, 50), [paused(Reason::Expired); 50]);
        }
    }

    #[test]
    fn the_servers_own_pause_is_obeyed() {
        let retry_after = Some(Duration::from_secs(9));
        let verdict = verdicts(Outcome::Answered { status: 429, retry_after }, false, 1);
        assert_eq!(
            verdict,
            [Verdict::Again { wait: Wait::AtLeast(Duration::from_secs(9)), outage: true, why: Reason::Expired }]
        );
    }

    #[test]
    fn no_answer_after_sending_is_tried_once_more() {
        assert_eq!(
            verdicts(Outcome::Unanswered, true, 2),
            [paused(Reason::NoResponse), Verdict::Drop(Reason::NoResponse)]
        );
    }

    #[test]
    fn a_failing_server_is_asked_twice() {
        for status in [500, 501, 599] {
            let again = Verdict::Again { wait: Wait::Backoff, outage: false, why: Reason::ServerError };
            assert_eq!(verdicts(answered(status), true, 2), [again, Verdict::Drop(Reason::ServerError)]);
        }
    }

    #[test]
    fn a_refused_token_waits_once() {
        let again = Verdict::Again { wait: Wait::Firm(TOKEN_PAUSE), outage: false, why: Reason::TokenRefused };
        assert_eq!(verdicts(Outcome::TokenRefused, true, 2), [again, Verdict::Drop(Reason::TokenRefused)]);
    }

    #[test]
    fn a_refused_key_is_final_unless_it_has_worked() {
        let refused = Outcome::KeyRefused { changed: false };
        assert_eq!(verdicts(refused.clone(), false, 1), [Verdict::Drop(Reason::KeyRefused)]);
        assert_eq!(verdicts(refused, true, 3), [paused(Reason::KeyRefused); 3]);
    }

    #[test]
    fn another_key_is_tried_at_once_but_only_once() {
        let at_once = Verdict::Again { wait: Wait::None, outage: false, why: Reason::KeyRefused };
        assert_eq!(verdicts(Outcome::KeyRefused { changed: true }, false, 2), [at_once, paused(Reason::KeyRefused)]);
    }

    #[test]
    fn a_refusal_of_the_event_a_redirect_and_a_stranger_are_never_asked_again() {
        for status in [200, 202, 204, 301, 302, 307, 308, 400, 401, 403, 404, 413, 422] {
            assert_eq!(verdicts(answered(status), true, 1), [Verdict::Drop(Reason::Refused)], "{status}");
        }
        assert_eq!(verdicts(Outcome::Unsendable, true, 1), [Verdict::Drop(Reason::InternalError)]);
    }

    #[test]
    fn reasons_are_counted_apart() {
        let mut history = History::default();
        for outcome in [Outcome::Unanswered, answered(500), Outcome::TokenRefused, Outcome::NotSent] {
            assert!(matches!(judge(&outcome, &mut history, true), Verdict::Again { .. }), "{outcome:?}");
        }
        assert_eq!(judge(&Outcome::Stored, &mut history, true), Verdict::Delivered);
        assert_eq!(history.tries, 5);
    }
}
