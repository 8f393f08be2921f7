//! Doing something to each of some runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use promptsales_engine::effect::{Call, CallError};
use promptsales_engine::entity::{Dedup, Fault};
use promptsales_engine::id::{IdKind as _, StreamId, StreamKey, digest};
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::runtime::{Command, Node};
use promptsales_engine::workflow::run::Run;

use super::{Act, Acted, Asked, Each, Refusal, failed, refused, unreached};

/// Runs to which something is done at the same time: few, so that whoever asks from outside comes first.
const AT_ONCE: usize = 8;
/// How long is tried to reach one run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does something to each of some runs.
pub(super) async fn act(
    node: &Node,
    call: &Call<'_>,
    Each { asked, runs }: Each,
) -> Result<Acted, CallError> {
    asked.check().map_err(|wrong| refused("invalid_act", &wrong.to_string()))?;
    let each = runs.into_iter().map(|run| act_on(node, call, &asked, run));
    let answers: Vec<_> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    let total = answers.len() as u64;
    let refused: Vec<_> = answers.into_iter().flatten().collect();
    Ok(Acted { done: total - refused.len() as u64, refused })
}

/// Does something to a run; says so where it is refused.
async fn act_on(
    node: &Node,
    call: &Call<'_>,
    asked: &Asked,
    run: StreamId,
) -> Result<Option<Refusal>, CallError> {
    let began = node.cx().monotonic();
    loop {
        let fault = match tell(node, call, asked, run).await {
            Ok(refusal) => return Ok(refusal),
            Err(fault) => fault,
        };
        let wait = match &fault {
            Fault::Quarantined { .. } | Fault::Refused { .. } => return Ok(Some(unreached(run, &fault))),
            Fault::Overloaded { retry_after, .. } => (*retry_after).min(Duration::from_secs(1)),
            _ => Duration::from_millis(200),
        };
        if began.elapsed() + wait > PATIENCE {
            return Err(failed("not_reached", &format!("{run}: {fault}")));
        }
        node.cx().sleep(node.cx().jitter(wait)).await;
    }
}

/// Sends a run what is asked, under a key that is made of who asks and of the run.
async fn tell(node: &Node, call: &Call<'_>, asked: &Asked, run: StreamId) -> Result<Option<Refusal>, Fault> {
    let (secret, tenant) = (&node.info().secret, &call.stream.tenant);
    let asker = call.stream.id.to_string();
    let parts = [tenant.as_str(), asker.as_str(), &run.to_string()];
    let (mut stream, mut name) = (StreamKey::new(tenant.clone(), run), asked.act.name());
    let mut body = asked.command();
    if asked.act == Act::Restart {
        let Some(view) = node.read(&stream).await? else {
            let (code, detail) = ("not_found".to_owned(), format!("there is no run `{run}`"));
            return Ok(Some(Refusal { run, code, detail }));
        };
        body = Json::from(&asked.restart(run, &view.state.value()));
        (stream.id, name) = (secret.derive(Run::PREFIX, None, "restarted in bulk", &parts), "start");
    }
    // What a restart is made of may have changed since: which run it is of stays the same.
    let dedup =
        Dedup::Key { key: secret.digest("run acted on in bulk", &parts), digest: digest("payload", &[name]) };
    let origin = Arc::new(call.origin.caused(&call.key.to_string(), &asker));
    let command = Command { stream, name: name.into(), body, external_key: None, origin, dedup };
    Ok(match node.command(command).await?.outcome {
        Outcome::Accepted(_) => None,
        Outcome::Rejected(rejected) => {
            Some(Refusal { run, code: rejected.code.to_string(), detail: rejected.message })
        }
    })
}
