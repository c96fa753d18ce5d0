//! One process's connection to the servers: threads, UASAM client, opening limits, and delivery.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::breaker::CircuitBreaker;
use crate::config::Settings;
use crate::delivery::{Delivery, Threads};
use crate::error::{Error, Kind, Result};
use crate::server::{BackgroundRuntime, plain_http};

/// How many sessions are opened at once; each costs the server a fifth of a second.
const MAX_CONCURRENT_OPENS: usize = 8;

/// A fork makes its own: it inherits no threads, must not share sockets, and would wait forever for
/// work that only the parent can finish.
pub(crate) struct Connection {
    pub(crate) process_id: u32,
    pub(crate) runtime: Arc<BackgroundRuntime>,
    pub(crate) uasam: reqwest::Client,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) open_permits: Semaphore,
    pub(crate) delivery: Delivery,
}

impl Connection {
    pub(super) fn start(settings: &Settings, process_id: u32) -> Result<Self> {
        // Only a configuration that disables OTAS has no key.
        let key = settings.key.clone().ok_or_else(|| Error::new(Kind::Disabled))?;
        let uasam = plain_http(&settings.uasam, settings.connect_timeout)?;
        let runtime = Arc::new(BackgroundRuntime::start("otas")?);
        let timers = runtime.clone();
        let threads = Threads {
            // Called for the first event.
            worker: Box::new(|task| {
                if let Ok(runtime) = BackgroundRuntime::start("otas-delivery") {
                    spawn(&Arc::new(runtime), task);
                }
            }),
            timers: Box::new(move |task| spawn(&timers, task)),
        };
        Ok(Self {
            process_id,
            runtime,
            uasam,
            breaker: CircuitBreaker::default(),
            open_permits: Semaphore::new(MAX_CONCURRENT_OPENS),
            delivery: Delivery::from_settings(settings, key, threads),
        })
    }
}

/// Runs a task that keeps its thread alive until it has finished: the delivery worker drains after
/// the last handle of the client is gone.
fn spawn(runtime: &Arc<BackgroundRuntime>, task: impl Future<Output = ()> + Send + 'static) {
    let keep_alive = runtime.clone();
    runtime.spawn(async move {
        task.await;
        drop(keep_alive);
    });
}
