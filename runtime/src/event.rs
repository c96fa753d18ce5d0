//! Temporary.
/// x
#[derive(Debug)]
pub struct Event;
pub(crate) type Hook = std::sync::Arc<dyn Fn(Event) -> Option<Event> + Send + Sync>;
