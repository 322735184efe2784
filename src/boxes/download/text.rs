//! Fetching a small text: the metadata of a box, a list of sums.

use super::failure::Failure;
use super::http::{Event, Request, send};
use super::patience::{Patience, Tries};
use crate::boxes::address::Address;
use crate::boxes::progress::{Phase, Task};
use crate::error::{Error, Kind, Result};

/// The registry's metadata of a box with a hundred versions has some 300 kB.
const LARGEST: usize = 8 << 20;

/// The answer to the request for a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::boxes) enum Text {
    /// A text.
    Found(String),
    /// The server has nothing there (404).
    Missing,
    /// The server has nothing there any more (410).
    Gone,
    /// Something else than JSON, by its type; its bytes were not fetched.
    Other,
}

/// Fetches the text at `url`; with `only_json`, only if the server says that it is JSON.
///
/// # Errors
/// [`Kind::Download`], [`Kind::Interrupted`].
pub(in crate::boxes) fn text(
    url: &Address,
    only_json: bool,
    patience: Patience,
    task: &mut Task<'_>,
) -> Result<Text> {
    let mut tries = Tries::new(patience, 0);
    loop {
        task.report(Phase::Asking, 0, None);
        let failure = match once(url, only_json, patience, task)? {
            Ok(text) => return Ok(text),
            Err(failure) => failure,
        };
        let Some(pause) = tries.next(&failure, 0) else {
            let error = Error::new(Kind::Download, format!("could not read {url}: {}", failure.why));
            return Err(error.hint("check the network, then run the same command again"));
        };
        task.report(Phase::Retrying, 0, None);
        task.cancel.sleep(pause)?;
    }
}

fn once(
    url: &Address,
    only_json: bool,
    patience: Patience,
    task: &mut Task<'_>,
) -> Result<std::result::Result<Text, Failure>> {
    let accept = if only_json { "application/json, */*;q=0.5" } else { "" };
    let request = Request { address: url.clone(), accept, ..Request::default() };
    let answer = send(request, patience);
    let mut bytes = Vec::new();
    Ok(loop {
        match answer.next(task.cancel)? {
            None => {}
            Some(Event::Head(head)) => match head.status {
                200 if only_json && !is_json(head.content_type.as_deref()) => break Ok(Text::Other),
                200 => {}
                404 => break Ok(Text::Missing),
                410 => break Ok(Text::Gone),
                status => break Err(Failure::status(status, head.retry_after)),
            },
            Some(Event::Bytes(more)) => {
                bytes.extend_from_slice(&more);
                if bytes.len() > LARGEST {
                    break Err(Failure::too_large(LARGEST as u64));
                }
            }
            Some(Event::End) => {
                let text = String::from_utf8(bytes);
                break text.map(Text::Found).map_err(|_| Failure::last("it is no text"));
            }
            Some(Event::Failed(failure)) => break Err(failure),
        }
    })
}

/// Servers of plain files call JSON by its name; some know no type at all, and are not asked twice.
fn is_json(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
}
