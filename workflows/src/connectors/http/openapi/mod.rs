//! `openapi`: operations of services that an OpenAPI 3 or Swagger 2 document describes.

mod body;
mod document;
mod operation;
mod place;
mod server;
mod tree;

use promptsales_engine::effect::CallError;
use serde_json::{Map, Value};

pub(super) use self::document::Documents;

use self::document::Document;
use self::operation::Operation;
use super::auth::Scheme;
use super::exchange::Ask;
use super::failure::Repeat;
use super::plain::{Wanted, carry_out};
use super::request::{given, map, output, redirects, text};
use super::trip::Trip;

/// Carries `openapi` out: the operation's request, as `read` or `send` would.
pub(super) async fn call(trip: &Trip<'_>, request: &Value) -> Result<Value, CallError> {
    let scheme = given(request, "authentication").map(|it| Scheme::read(it, trip)).transpose()?;
    let (redirects, output) = (redirects(request)?, output(request)?);
    let parameters = map(request, "parameters")?.cloned().unwrap_or_default();
    let document = document::of(trip, request).await?;
    let operation = Operation::find(&document, text(request, "operationId")?)?;
    let ask = ask(trip, &document, &operation, parameters)?;
    let repeat = Repeat::of(&operation.method);
    carry_out(trip, Wanted { ask, scheme, repeat, redirects, output }).await
}

/// Whether a repeat is harmless, as the operation's method says.
pub(super) async fn repeat(trip: &Trip<'_>, request: &Value) -> Result<Repeat, CallError> {
    let document = document::of(trip, request).await?;
    let operation = Operation::find(&document, text(request, "operationId")?)?;
    Ok(Repeat::of(&operation.method))
}

/// The request of an operation with its parameters.
fn ask(
    trip: &Trip<'_>,
    document: &Document,
    operation: &Operation<'_>,
    parameters: Map<String, Value>,
) -> Result<Ask, CallError> {
    let base = server::base(document, operation)?;
    let placed = place::place(operation, parameters)?;
    let mut ask = Ask::new(operation.method.clone(), placed.url(&base)?);
    placed.add_headers(&mut ask, trip)?;
    body::add(&mut ask, document, operation, placed)?;
    Ok(ask)
}
