//! What connects this process to the servers: the threads, the plain HTTP client for UASAM, the limits of opening, and the delivery to Brain.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::client::breaker::Pause;
use crate::config::Settings;
use crate::delivery::{Delivery, Threads};
use crate::error::{Error, Result};
use crate::server::{BackgroundRuntime, plain_http};

/// How many sessions are being opened at a time; each costs the server a fifth of a second.
const OPENS_AT_A_TIME: usize = 8;

/// A fork gets its own: it has no thread, must not share connections, and would wait for ever for what only the parent can end.
pub(crate) struct Connection {
    pub(crate) id: u32,
    pub(crate) link: Arc<BackgroundRuntime>,
    pub(crate) uasam: reqwest::Client,
    pub(crate) pause: Pause,
    /// As many permits as sessions may be opened at a time.
    pub(crate) opens: Semaphore,
    pub(crate) delivery: Delivery,
}

impl Connection {
    pub(crate) fn start(settings: &Settings, id: u32) -> Result<Self> {
        let Some(key) = settings.key.clone() else {
            return Err(Error::config("no agent key is set; set OTAS_AGENT_KEY"));
        };
        let uasam = plain_http(&settings.uasam, settings.connect_timeout)?;
        let link = Arc::new(BackgroundRuntime::start("otas")?);
        let timers = link.clone();
        let threads = Threads {
            // Started by the first event. Each task keeps its thread until it has ended: the worker winds down after the last handle of the
            // client is gone.
            worker: Box::new(|task| {
                if let Ok(link) = BackgroundRuntime::start("otas-delivery") {
                    run(&Arc::new(link), task);
                }
            }),
            timers: Box::new(move |task| run(&timers, task)),
        };
        let delivery = Delivery::from_settings(settings, key, threads);
        let (pause, opens) = (Pause::default(), Semaphore::new(OPENS_AT_A_TIME));
        Ok(Self { id, link, uasam, pause, opens, delivery })
    }
}

fn run(link: &Arc<BackgroundRuntime>, task: impl Future<Output = ()> + Send + 'static) {
    let keeps = link.clone();
    link.spawn(async move {
        task.await;
        drop(keeps);
    });
}
