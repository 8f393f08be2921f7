//! The composition root: what the product is made of, put together.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use promptsales_engine::effect::{Connector, Connectors};
use promptsales_engine::entity::{Answer, Catalog, Dedup, Fault, KindInfo, Typed};
use promptsales_engine::id::{StreamKey, TenantId};
use promptsales_engine::journal::{self, Journal, Json, Origin};
use promptsales_engine::projection::index::Index;
use promptsales_engine::rule::desk::Desk;
use promptsales_engine::rule::gate::Gate;
use promptsales_engine::rule::{self, Rules, load_rules};
use promptsales_engine::runtime::{self, Command, Context, History, Leasing, Node, NodeSeed, Prepare};
use promptsales_engine::supervise::{DeadLetter, Quarantine};
use promptsales_engine::workflow::action::Actions;
use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::definition::{Definition, Problem as DefinitionProblem};
use promptsales_engine::workflow::machine::Limits;
use promptsales_engine::workflow::registration::{self, definition_id, load_definitions};
use promptsales_engine::workflow::run::Runs;
use promptsales_engine::workflow::schedule::{Plan, Schedule, schedule_id};
use promptsales_engine::workflow::topic::Topic;
use promptsales_engine::workflow::versions::Definitions;
use promptsales_workflows::connectors::http::{HttpConnector, Secrets};
use promptsales_workflows::connectors::{self, sandbox::Sandbox};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, TryLockError};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::folds::Folds;
use crate::http::middleware::RequestMetrics;
use crate::http::openapi;
use crate::http::problem::{Code, Problem};
use crate::recorder;
use crate::routes;
use crate::store::{Store, open_store};
use crate::stream::{StreamLimits, Streams};

/// How long requests and work under way may take once the end has been asked for.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The running product, as every route sees it. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    node: Node,
    definitions: Arc<Definitions>,
    actions: Arc<Actions>,
    tenant: TenantId,
    principal: Arc<str>,
    metrics: PrometheusHandle,
    requests: RequestMetrics,
    openapi: Value,
    stopping: CancellationToken,
    streams: OnceLock<Streams>,
    folds: Folds,
    /// True once the definitions that come with the product are registered.
    set_up: AtomicBool,
    /// True where other nodes may use the same store: each registers what belongs to its own partitions.
    shared: bool,
    /// The data folder, where the store is kept in one.
    folder: Option<PathBuf>,
    backing_up: Mutex<()>,
}

/// The definitions that a node has to know before it serves runs.
pub(crate) struct Known {
    pub(crate) tenant: TenantId,
    pub(crate) actions: Arc<Actions>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) rules: Arc<Rules>,
}

#[async_trait]
impl Prepare for Known {
    async fn prepare(&self, journal: &Arc<dyn Journal>) -> Result<(), journal::Error> {
        load_definitions(journal, &self.tenant, &self.actions, &self.definitions).await?;
        load_rules(journal, &self.tenant, &self.rules).await
    }
}

/// What the product is made of, whatever it runs on.
pub struct Registry {
    /// The kinds.
    pub catalog: Catalog,
    /// The compiled definitions, filled at start.
    pub definitions: Arc<Definitions>,
    /// The actions.
    pub actions: Arc<Actions>,
    /// The published rules, filled at start.
    pub rules: Arc<Rules>,
}

impl Registry {
    /// Lists everything that is registered.
    ///
    /// # Errors
    ///
    /// When something is registered twice.
    pub fn new() -> anyhow::Result<Self> {
        let actions = Arc::new(promptsales_workflows::actions::register()?);
        let definitions = Arc::new(Definitions::new());
        let runs = Runs::new(definitions.clone(), actions.clone(), Limits::default());
        let dead_letters = KindInfo { public: false, ..Typed::<DeadLetter>::info() };
        let quarantine = KindInfo { public: false, ..Typed::<Quarantine>::info() };
        let catalog = Catalog::new().add_kind(dead_letters)?.add_kind(quarantine)?;
        let topics = KindInfo { public: false, ..Typed::<Topic>::info() };
        let catalog = catalog.add_kind(registration::info(definitions.clone(), actions.clone()))?;
        let catalog = catalog.add_kind(topics)?;
        let catalog = catalog.add_kind(KindInfo { public: false, ..Typed::<Schedule>::info() })?;
        let catalog = catalog.add_kind(runs.info())?.add_kind(History::info())?;
        let rules = Arc::new(Rules::new(definitions.clone()));
        let catalog = catalog.add_kind(rule::info(rules.clone()))?;
        let catalog = catalog.add_kind(KindInfo { public: false, ..Typed::<Desk>::info() })?;
        let catalog = catalog.add_kind(KindInfo { public: false, ..Typed::<Gate>::info() })?;
        let catalog = promptsales_actors::register(catalog)?;
        Ok(Self { catalog, definitions, actions, rules })
    }
}

impl App {
    /// Opens the store and starts everything.
    ///
    /// # Errors
    ///
    /// When the store cannot be opened or taken over, or a shipped definition does not compile.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let cx = Context::real();
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("cannot make the folder {}", config.data_dir.display()))?;
        let Store { journal, index, ownership } = open_store(config).await?;
        let leasing = match ownership {
            Some(ownership) => Some(config.leasing(ownership, &cx)?),
            None => None,
        };
        let engine = config.engine();
        let sandbox = Sandbox::open(Some(&config.data_dir.join("sandbox.jsonl")), config.sandbox.clone())?;
        let secrets = config.secrets.as_deref().map(Secrets::open).transpose()?.unwrap_or_default();
        let http = HttpConnector::new(config.outgoing.clone(), secrets)?.with_context(cx.clone());
        let outside = connectors::with_http(sandbox, http);
        let folder = config.database.is_none().then(|| config.data_dir.clone());
        let app = Self::compose((journal, Some(index)), leasing, outside, engine, cx.clone(), folder).await?;
        app.0.streams.get_or_init(|| Streams::new(config.streams));
        let upkeep = app.0.metrics.clone();
        cx.clone().spawn("metrics", async move {
            loop {
                cx.sleep(Duration::from_secs(5)).await;
                upkeep.run_upkeep();
            }
        });
        Ok(app)
    }

    /// Puts the product together over a journal and an outside.
    ///
    /// # Errors
    ///
    /// As [`App::start`].
    pub async fn compose(
        (journal, index): (Arc<dyn Journal>, Option<Arc<dyn Index>>),
        leasing: Option<Leasing>,
        mut outside: Vec<Arc<dyn Connector>>,
        config: runtime::Config,
        cx: Context,
        folder: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let Registry { catalog, definitions, actions, rules } = Registry::new()?;
        let tenant = TenantId::default_tenant();
        let prepare = Known {
            tenant: tenant.clone(),
            actions: actions.clone(),
            definitions: definitions.clone(),
            rules: rules.clone(),
        };
        let rules = Some(rules);
        let prepare: Option<Arc<dyn Prepare>> = Some(Arc::new(prepare));
        let shared = leasing.is_some();
        let runs = Arc::new(connectors::runs::Runs::default());
        outside.push(runs.clone());
        let connectors = Connectors::new(outside)?;
        // Before the node: it looks its series up at the start.
        let metrics = recorder::handle();
        let openapi = openapi::document(&routes::endpoints(), &catalog);
        let node = Node::start(NodeSeed {
            journal,
            leasing,
            prepare,
            index,
            rules,
            catalog,
            connectors,
            config,
            cx,
        })
        .await?;
        runs.attach(&node);
        let parts = Parts {
            node,
            definitions,
            actions,
            tenant,
            principal: "dev".into(),
            metrics,
            requests: RequestMetrics::new(),
            openapi,
            stopping: CancellationToken::new(),
            streams: OnceLock::new(),
            folds: Folds::default(),
            set_up: AtomicBool::new(false),
            shared,
            folder,
            backing_up: Mutex::new(()),
        };
        let app = Self(Arc::new(parts));
        if shared {
            let registering = app.clone();
            app.node().cx().spawn("registration", async move { registering.register_when_owned().await });
        } else if !app.node().is_held() {
            app.register_shipped().await?;
        }
        Ok(app)
    }

    /// The stream of the definitions of a workflow.
    pub fn definition_stream(&self, tenant: &TenantId, name: &str) -> StreamKey {
        let id = definition_id(&self.node().info().secret, tenant, name);
        StreamKey::new(tenant.clone(), id.stream())
    }

    /// Checks a definition and registers it.
    ///
    /// # Errors
    ///
    /// A problem with everything that is wrong with the definition, or a fault of the node.
    pub async fn register(
        &self,
        tenant: &TenantId,
        origin: Arc<Origin>,
        dedup: Dedup,
        source: String,
    ) -> Result<(Arc<Definition>, Vec<DefinitionProblem>, Answer), Problem> {
        let (text, actions) = (source.clone(), self.0.actions.clone());
        let checked = self.node().cx().cpu(move || check(&text, &actions)).await;
        let checked = checked.map_err(|panicked| Problem::new(Code::Internal, panicked.to_string()))?;
        let checked = checked.map_err(|refused| {
            Problem::new(Code::InvalidDefinition, refused.to_string()).with_errors(json!(refused.problems))
        })?;
        let definition = Arc::new(checked.definition);
        // The registry learns of it as soon as the journal has taken it.
        self.definitions().lay_ready(definition.clone());
        let body = json!({
            "name": definition.name, "version": definition.version, "digest": definition.digest, "source": source,
            "scheduling": {
                "schedule": schedule_id(tenant, &definition.name), "plan": Plan::of(&definition, tenant),
            },
        });
        let answer = self
            .node()
            .command(Command {
                stream: self.definition_stream(tenant, &definition.name),
                name: "register".into(),
                body: Json::from(&body),
                external_key: None,
                origin,
                dedup,
            })
            .await?;
        Ok((definition, checked.warnings, answer))
    }

    /// Reads a run, and waits for its end as long as given.
    ///
    /// # Errors
    ///
    /// A fault of the node.
    pub async fn run_until_ended(&self, stream: &StreamKey, patience: Duration) -> Result<Value, Fault> {
        let cx = self.node().cx();
        let begun = cx.monotonic();
        let mut pause = Duration::from_millis(2);
        loop {
            let run = self.node().read(stream).await?.map_or(Value::Null, |v| v.state.value());
            if !run["endedAt"].is_null() || begun.elapsed() >= patience {
                return Ok(run);
            }
            cx.sleep(pause.min(patience.saturating_sub(begun.elapsed()))).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// The compiled definitions.
    pub fn definitions(&self) -> &Definitions {
        &self.0.definitions
    }

    /// The actions that workflows can call.
    pub fn actions(&self) -> Arc<Actions> {
        self.0.actions.clone()
    }

    /// The tenant that requests work for while there is no authentication.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant.clone()
    }

    /// The principal of requests while there is no authentication.
    pub fn principal(&self) -> Arc<str> {
        self.0.principal.clone()
    }

    /// The metrics of requests.
    pub fn requests(&self) -> &RequestMetrics {
        &self.0.requests
    }

    /// The metrics as text.
    pub fn render_metrics(&self) -> String {
        self.0.metrics.render()
    }

    /// True where other nodes may use the same store.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Notes whether the definitions that come with the product are registered.
    pub(crate) fn note_set_up(&self, is_set_up: bool) {
        self.0.set_up.store(is_set_up, Ordering::Release);
    }

    /// The OpenAPI document.
    pub fn openapi(&self) -> &Value {
        &self.0.openapi
    }

    /// True once the definitions that come with the product are registered.
    pub fn is_set_up(&self) -> bool {
        self.0.set_up.load(Ordering::Acquire)
    }

    /// The data folder, where the store is kept in one.
    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    /// The turn to make a copy of the store.
    ///
    /// # Errors
    ///
    /// When somebody has it.
    pub fn backing_up(&self) -> Result<MutexGuard<'_, ()>, TryLockError> {
        self.0.backing_up.try_lock()
    }

    /// Notes that the end has been asked for: readiness says so.
    pub fn stopping(&self) {
        self.0.stopping.cancel();
    }

    /// True once the end has been asked for.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.is_cancelled()
    }

    /// Waits until the end is asked for.
    pub async fn until_stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// The room that there is for streams.
    pub fn streams(&self) -> &Streams {
        self.0.streams.get_or_init(|| Streams::new(StreamLimits::default()))
    }

    /// What reads of runs go on from.
    pub(crate) fn folds(&self) -> &Folds {
        &self.0.folds
    }

    /// Ends in good order. `false` if something was still under way when the patience for it ran out.
    pub async fn stop(&self) -> bool {
        self.0.node.stop().await
    }
}
