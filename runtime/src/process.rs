//! What connects this process to the servers: the thread, the plain HTTP client for UASAM, and the delivery to Brain.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::config::{KeySource, Settings};
use crate::delivery::{Brain, Delivery, Key, Make, WIDTH};
use crate::error::{Error, Result};
use crate::link::{Link, plain_http};
use crate::redact::Redactor;

/// How long Brain may take over one event; it needs a fifth of a second.
const LOG_TIMEOUT: Duration = Duration::from_secs(15);

/// A fork gets its own: it has no thread, and must not share connections.
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) link: Arc<Link>,
    pub(crate) uasam: reqwest::Client,
    pub(crate) delivery: Delivery,
}

impl Process {
    pub(crate) fn start(settings: &Settings, id: u32) -> Result<Self> {
        let Some(key) = &settings.key else { return Err(Error::config("no agent key is set; set OTAS_AGENT_KEY")) };
        let uasam = plain_http(&settings.uasam, settings.connect_timeout, settings.open_timeout)?;
        let brain = plain_http(&settings.brain, settings.connect_timeout, LOG_TIMEOUT)?;
        let link = Arc::new(Link::start()?);
        let key = Arc::new(key.clone());
        let make = Make {
            body_limit: settings.body_limit,
            redactor: Redactor::with(&settings.sensitive_headers),
            hook: settings.on_event.clone(),
            project_id: settings.project_id.clone().unwrap_or_default(),
            key: key.clone(),
        };
        let runner = link.clone();
        // Each task keeps the thread until it has ended: the worker winds down after the last handle of the client is gone.
        let spawn = Box::new(move |task| {
            let keeps = runner.clone();
            runner.spawn(async move {
                std::future::IntoFuture::into_future(task).await;
                drop(keeps);
            });
        });
        let delivery = Delivery::new(make, Arc::new(Brain::new(brain, &settings.brain, key)), WIDTH, spawn);
        Ok(Self { id, link, uasam, delivery })
    }
}

impl Key for KeySource {
    fn current(&self) -> HeaderValue {
        self.current()
    }

    fn reread(&self) -> bool {
        self.reread()
    }
}
