//! What connects this process to the servers: the thread, the plain HTTP client for UASAM, and the delivery to Brain.

use std::sync::Arc;

use crate::config::Settings;
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::link::{Link, is_loopback, plain_http};

/// A fork gets its own: it has no thread, and must not share connections.
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) link: Arc<Link>,
    pub(crate) uasam: reqwest::Client,
    pub(crate) delivery: Delivery,
}

impl Process {
    pub(crate) fn start(settings: &Settings, id: u32) -> Result<Self> {
        let Some(key) = settings.key.clone() else {
            return Err(Error::config("no agent key is set; set OTAS_AGENT_KEY"));
        };
        let uasam = plain_http(&settings.uasam, settings.connect_timeout)?;
        // Building one takes milliseconds of CPU: the root certificates are read anew.
        let brain = if is_loopback(&settings.uasam) == is_loopback(&settings.brain) {
            uasam.clone()
        } else {
            plain_http(&settings.brain, settings.connect_timeout)?
        };
        let link = Arc::new(Link::start()?);
        let runner = link.clone();
        // Each task keeps the thread until it has ended: the worker winds down after the last handle of the client is gone.
        let delivery = Delivery::of(
            settings,
            brain,
            key,
            Box::new(move |task| {
                let keeps = runner.clone();
                runner.spawn(async move {
                    task.await;
                    drop(keeps);
                });
            }),
        );
        Ok(Self { id, link, uasam, delivery })
    }
}
