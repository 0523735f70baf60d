//! Messages that a service of the operator's is asked about before they are passed on, if the settings name one.
//!
//! What somebody says waits in its chat (`hub::Held`). A task that is there only while anything waits asks about one message
//! after another, and each is said, or refused, before the next is asked about. If the service says nothing in time, or
//! nothing that can be understood, it counts as away, and the settings say what becomes of the message. Nothing of a text
//! is logged.
//!
//! - `circuit`: a service that keeps failing is left alone for a moment

mod circuit;

use super::connection::Rules;
use super::hub::{ChatSeat, Held, TooManyHeld, Turn};
use super::listen::ServerError;
use super::metrics::{CheckOutcome, Metrics};
use super::outbound::{Outbound, OutboundError};
use crate::config::{MessageCheck, WhenAway};
use crate::dialect::{ErrorCode, Outgoing, WireError};
use crate::lobby::{ChatId, MessageId};
use crate::private::Private;
use arc_swap::ArcSwap;
use bytes::Bytes;
use circuit::{Circuit, REST};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The longest that any answer is waited for, whatever the settings say.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Asks the service.
#[derive(Debug)]
pub(super) struct Checker {
    url: Uri,
    outbound: Outbound,
    /// For those who ask at the moment.
    desks: Semaphore,
    terms: ArcSwap<Terms>,
    circuit: Circuit,
}

/// What may change while the server runs.
#[derive(Debug)]
pub(super) struct Terms {
    /// What the service is shown.
    authorization: Option<HeaderValue>,
    /// How long it may take, waiting for one's turn included.
    limit: Duration,
    when_away: WhenAway,
    waiting_max: usize,
}

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is passed on.
    Pass,
    /// It is not. The service may have said why, for the sender.
    Refuse(Option<Private<String>>),
    /// It is not for now, since nobody can check it.
    NotNow,
}

/// What the service is asked.
#[derive(Serialize)]
struct Question<'a> {
    /// Drawn at random: names this question, and nothing else.
    id: String,
    chat: String,
    text: &'a str,
}

/// What it answers.
#[derive(Deserialize)]
struct Answer {
    verdict: Word,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Pass,
    Refuse,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Away {
    #[error("no verdict within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error(transparent)]
    NoAnswer(#[from] OutboundError),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("what it answers is no verdict")]
    NoVerdict,
}

impl Terms {
    /// As the settings have them.
    ///
    /// # Errors
    /// [`ServerError::MessageCheckToken`] if the token can't be read.
    pub(super) fn new(settings: &MessageCheck) -> Result<Self, ServerError> {
        let token = settings
            .read_token()
            .map_err(ServerError::MessageCheckToken)?;
        let authorization = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", *token))
                .expect("a token is visible ASCII, which a header may hold");
            value.set_sensitive(true);
            value
        });
        Ok(Self {
            authorization,
            limit: Duration::from_millis(settings.timeout_ms.into()),
            when_away: settings.when_away,
            waiting_max: settings.waiting_max,
        })
    }

    fn verdict_while_away(&self) -> Verdict {
        match self.when_away {
            WhenAway::Pass => Verdict::Pass,
            WhenAway::Refuse => Verdict::NotNow,
        }
    }
}

impl Verdict {
    /// What the sender is told if the message is not passed on.
    pub(super) fn refusal(self, answers: Option<&MessageId>) -> Option<WireError> {
        match self {
            Self::Pass => None,
            Self::Refuse(why) => {
                let why = why.as_ref().map(|why| why.as_str());
                Some(WireError::text_refused(why, answers.cloned()))
            }
            Self::NotNow => {
                let message = "messages can't be checked at the moment; try again later";
                Some(not_now(message, REST, answers.cloned()))
            }
        }
    }
}

/// A refusal of something that may be possible later.
fn not_now(message: &'static str, retry_after: Duration, answers: Option<MessageId>) -> WireError {
    let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    WireError {
        retry_after_ms: Some(retry_after_ms),
        ..WireError::new(ErrorCode::RateLimited, message, answers)
    }
}

impl Checker {
    /// One that asks whom the settings name, if they do.
    ///
    /// # Errors
    /// As [`Terms::new`].
    pub(super) fn open(settings: &MessageCheck) -> Result<Option<Arc<Self>>, ServerError> {
        let Some(url) = &settings.url else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Self {
            url: url.parse().expect("checked when the settings were read"),
            outbound: Outbound::new(ANSWER_MAX),
            desks: Semaphore::new(settings.checks_at_once),
            terms: ArcSwap::from_pointee(Terms::new(settings)?),
            circuit: Circuit::default(),
        })))
    }

    /// Goes on by these terms.
    pub(super) fn go_on_by(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// Has a message said from a seat once it was found good; its sender is told what became of it. Waits for nothing.
    ///
    /// # Errors
    /// If too many of that side's messages wait already.
    pub(super) fn hold(
        self: &Arc<Self>,
        rules: &Arc<Rules>,
        seat: &ChatSeat,
        held: Held,
    ) -> Result<(), WireError> {
        let terms = self.terms.load();
        let id = held.id.clone();
        match seat.hold(held, terms.waiting_max) {
            Ok(None) => Ok(()),
            Ok(Some(first)) => {
                let (checker, rules) = (Arc::clone(self), Arc::clone(rules));
                // As many at once as there are sides of chats; of each, one message.
                tokio::spawn(checker.work(rules, seat.clone(), first));
                Ok(())
            }
            Err(TooManyHeld) => {
                let message = "too many of your messages wait to be checked";
                Err(not_now(message, terms.limit, id))
            }
        }
    }

    /// Decides on the messages of one side of a chat, one after another, until none waits.
    async fn work(self: Arc<Self>, rules: Arc<Rules>, seat: ChatSeat, first: Turn) {
        let Rules { hub, metrics, .. } = &*rules;
        let mut turn = Some(first);
        while let Some(Turn { chat, text }) = turn {
            let verdict = match text {
                Some(text) => self.verdict(metrics, chat, &text).await,
                None => Verdict::Pass,
            };
            let decided = seat.decide(hub, verdict);
            if let Some((error, Some(sender))) = decided.refused {
                metrics.error(error.code);
                sender.tell(Outgoing::Error(&error));
            }
            turn = decided.next;
        }
    }

    /// What becomes of a text that was said in a chat.
    async fn verdict(&self, metrics: &Metrics, chat: ChatId, text: &str) -> Verdict {
        let terms = self.terms.load_full();
        let began = Instant::now();
        if !self.circuit.lets_ask(began, terms.limit) {
            metrics.checked(CheckOutcome::Away);
            return terms.verdict_while_away();
        }
        let answer = self.ask(&terms, chat, text).await;
        metrics.asked(began.elapsed());
        self.report(&terms, &answer);
        let (outcome, verdict) = match answer {
            Ok(Answer {
                verdict: Word::Pass,
                ..
            }) => (CheckOutcome::Passed, Verdict::Pass),
            Ok(Answer { message, .. }) => {
                let verdict = Verdict::Refuse(message.map(Private::new));
                (CheckOutcome::Refused, verdict)
            }
            Err(_) => (CheckOutcome::Away, terms.verdict_while_away()),
        };
        metrics.checked(outcome);
        verdict
    }

    async fn ask(&self, terms: &Terms, chat: ChatId, text: &str) -> Result<Answer, Away> {
        let whole = async {
            // Nobody closes it, so there is always a desk in the end.
            let _desk = self.desks.acquire().await;
            let answer = self.outbound.send(self.request(terms, chat, text)).await?;
            read(&answer)
        };
        let answer = timeout(terms.limit, whole).await;
        answer.unwrap_or(Err(Away::TooSlow(terms.limit)))
    }

    fn request(&self, terms: &Terms, chat: ChatId, text: &str) -> Request<Bytes> {
        let question = Question {
            id: format!("{:032x}", rand::random::<u128>()),
            chat: chat.to_string(),
            text,
        };
        let body = serde_json::to_vec(&question).expect("texts are JSON");
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &terms.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// Says once that the service is away, and once that it is back.
    fn report(&self, terms: &Terms, answer: &Result<Answer, Away>) {
        match answer {
            Ok(_) => {
                if self.circuit.answered() {
                    tracing::info!("messages are checked again");
                }
            }
            Err(reason) => {
                if self.circuit.failed(Instant::now()) {
                    let when_away = terms.when_away.name();
                    tracing::warn!(%reason, when_away, "messages can't be checked");
                }
            }
        }
    }
}

fn read(answer: &Response<Bytes>) -> Result<Answer, Away> {
    if answer.status() != StatusCode::OK {
        return Err(Away::Status(answer.status()));
    }
    // What serde has to say could quote what was answered.
    serde_json::from_slice(answer.body()).map_err(|_| Away::NoVerdict)
}
