//! Name -> access, params type, handler.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde_json::value::RawValue;

use super::budget::WriteBudgets;
use super::foreign::Question;
use super::{Context, UNKNOWN_METHOD_ACCESS, reach};
use crate::bus::Closing;
use crate::protocol::frame::{Request, decode, response};
use crate::protocol::{Access, ErrorShape, Method, Role, Scope};
use crate::store::Database;

/// A response frame, and the second one that some methods owe.
pub struct Answer {
    pub frame: String,
    pub error: Option<ErrorShape>,
    pub then: Option<BoxFuture<'static, String>>,
    /// Connections that end by what was done: perhaps the caller's own, so only once it has its answer.
    pub closing: Option<Closing>,
}

/// What came of handing a request to the table.
pub enum Dispatch {
    /// Answered without a handler.
    Refused {
        frame: String,
        error: ErrorShape,
        wrong_role: bool,
    },
    Started(BoxFuture<'static, Answer>),
}

type Handler = Box<dyn Fn(Context, Box<RawValue>, Option<Box<RawValue>>) -> BoxFuture<'static, Answer> + Send + Sync>;

struct Entry {
    access: Access,
    waits: bool,
    control_plane_write: bool,
    handler: Handler,
}

pub struct Table {
    entries: BTreeMap<&'static str, Entry>,
    /// The gateway's own agent, which is meant where none is named.
    agent: String,
    database: Database,
    budgets: WriteBudgets,
}

impl Table {
    #[must_use]
    pub fn new(agent: &str, database: &Database) -> Self {
        let (entries, budgets) = (BTreeMap::new(), WriteBudgets::default());
        Self { entries, agent: agent.to_owned(), database: database.clone(), budgets }
    }

    /// Serves `M` by `handler`, which is given a clone of `service`.
    ///
    /// # Panics
    /// If the name is served already: that shows at the first start.
    pub fn on<M, S, H, F>(&mut self, _method: M, service: &S, handler: H)
    where
        M: Method,
        S: Clone + Send + Sync + 'static,
        H: Fn(S, Context, M::Params) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, ErrorShape>> + Send + 'static,
    {
        let service = service.clone();
        self.insert::<M>(move |context, id, params| {
            let service = service.clone();
            async move {
                let result = call::<M, _, _, _, _>(handler, service, context, params.as_deref()).await;
                answer(&id, result)
            }
            .boxed()
        });
    }

    /// Serves a method that owes two responses with one id: the first at once, the second, which is its `Reply`, when
    /// its future ends.
    ///
    /// # Panics
    /// As [`Table::on`].
    pub fn on_twice<M, A, S, H, F>(&mut self, _method: M, service: &S, handler: H)
    where
        M: Method,
        M::Reply: 'static,
        A: Serialize + Send,
        S: Clone + Send + Sync + 'static,
        H: Fn(S, Context, M::Params) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<TwoReplies<A, M::Reply>, ErrorShape>> + Send + 'static,
    {
        let service = service.clone();
        self.insert::<M>(move |context, id, params| {
            let service = service.clone();
            async move {
                let result = call::<M, _, _, _, _>(handler, service, context, params.as_deref()).await;
                match result {
                    Ok(TwoReplies { first: Some(first), second }) => {
                        let mut answer = answer(&id, Ok(first));
                        answer.then = Some(second.map(move |second| response(&id, second.as_ref())).boxed());
                        answer
                    }
                    Ok(TwoReplies { first: None, second }) => answer(&id, second.await),
                    Err(error) => answer::<()>(&id, Err(error)),
                }
            }
            .boxed()
        });
    }

    /// Serves a method that ends connections by what it does.
    ///
    /// # Panics
    /// As [`Table::on`].
    pub fn on_closing<M, S, H, F>(&mut self, _method: M, service: &S, handler: H)
    where
        M: Method,
        S: Clone + Send + Sync + 'static,
        H: Fn(S, Context, M::Params) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<(M::Reply, Closing), ErrorShape>> + Send + 'static,
    {
        let service = service.clone();
        self.insert::<M>(move |context, id, params| {
            let service = service.clone();
            async move {
                let result = call::<M, _, _, _, _>(handler, service, context, params.as_deref()).await;
                let (result, closing) = match result {
                    Ok((reply, closing)) => (Ok(reply), Some(closing)),
                    Err(error) => (Err(error), None),
                };
                Answer { closing, ..answer(&id, result) }
            }
            .boxed()
        });
    }

    fn insert<M: Method>(
        &mut self,
        handler: impl Fn(Context, Box<RawValue>, Option<Box<RawValue>>) -> BoxFuture<'static, Answer>
        + Send
        + Sync
        + 'static,
    ) {
        let entry = Entry {
            access: M::ACCESS,
            waits: M::WAITS,
            control_plane_write: M::CONTROL_PLANE_WRITE,
            handler: Box::new(handler),
        };
        let before = self.entries.insert(M::NAME, entry);
        assert!(before.is_none(), "{} is registered twice", M::NAME);
    }

    /// The names in `hello-ok`.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.entries.keys().copied().collect()
    }

    /// See [`Method::WAITS`].
    #[must_use]
    pub fn waits(&self, method: &str) -> bool {
        self.entries.get(method).is_some_and(|entry| entry.waits)
    }

    /// Checks role, scope and, for writes to the control plane, the budget; then starts the handler.
    #[must_use]
    pub fn dispatch(&self, context: Context, request: Request) -> Dispatch {
        let entry = self.entries.get(request.method.as_str());
        let access = entry.map_or(UNKNOWN_METHOD_ACCESS, |entry| entry.access);
        let refused = |error: ErrorShape, wrong_role| Dispatch::Refused {
            frame: response::<()>(&request.id, Err(&error)),
            error,
            wrong_role,
        };
        let mut question = None;
        match check(&context, access) {
            Verdict::May => {}
            Verdict::MayAsOperator(scope) => {
                let params = request.params.as_deref();
                if let Err(error) = reach::check(&context.caller, scope, &request.method, params, &self.agent) {
                    return refused(error, false);
                }
                match Question::about(&context.caller, scope, &request.method, params, &self.agent) {
                    Ok(asked) => question = asked,
                    Err(error) => return refused(error, false),
                }
            }
            Verdict::WrongRole(error) => return refused(error, true),
            Verdict::MissingScope(error) => return refused(error, false),
        }
        if entry.is_some_and(|entry| entry.control_plane_write)
            && let Err(error) = self.budgets.spend(&request.method, &context.caller, Instant::now())
        {
            return refused(error, false);
        }
        match entry {
            Some(entry) => {
                let (id, database) = (request.id.clone(), self.database.clone());
                let answered = (entry.handler)(context, request.id, request.params);
                Dispatch::Started(match question {
                    None => answered,
                    // A future does nothing before it is waited for.
                    Some(question) => async move {
                        match question.ask(&database).await {
                            Ok(()) => answered.await,
                            Err(error) => answer::<()>(&id, Err(error)),
                        }
                    }
                    .boxed(),
                })
            }
            None if request.method == "connect" => {
                refused(ErrorShape::invalid("connect is only valid as the first request"), false)
            }
            None => refused(ErrorShape::invalid(format!("unknown method: {}", request.method)), false),
        }
    }
}

/// The two replies of one request. Without a first there is only the second: the run was known already.
pub struct TwoReplies<A, B> {
    pub first: Option<A>,
    pub second: BoxFuture<'static, Result<B, ErrorShape>>,
}

/// Decodes the params and hands them to the handler.
async fn call<M, S, H, F, R>(
    handler: H,
    service: S,
    context: Context,
    params: Option<&RawValue>,
) -> Result<R, ErrorShape>
where
    M: Method,
    H: Fn(S, Context, M::Params) -> F,
    F: Future<Output = Result<R, ErrorShape>>,
{
    handler(service, context, decode::<M::Params>(M::NAME, params)?).await
}

fn answer<T: Serialize>(id: &RawValue, result: Result<T, ErrorShape>) -> Answer {
    Answer { frame: response(id, result.as_ref()), error: result.err(), then: None, closing: None }
}

enum Verdict {
    May,
    MayAsOperator(Scope),
    WrongRole(ErrorShape),
    MissingScope(ErrorShape),
}

fn check(context: &Context, access: Access) -> Verdict {
    let caller = &context.caller;
    let scope = match access {
        Access::Anyone => return Verdict::May,
        Access::Node if caller.role() == Role::Node => return Verdict::May,
        Access::Node => None,
        Access::Operator(scope) | Access::Dynamic(scope) => Some(scope),
    };
    let Some(scope) = scope.filter(|_| caller.role() == Role::Operator) else {
        return Verdict::WrongRole(ErrorShape::invalid(format!("unauthorized role: {}", caller.role().as_str())));
    };
    match context.require(scope) {
        Ok(()) => Verdict::MayAsOperator(scope),
        Err(error) => Verdict::MissingScope(error),
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.entries.keys()).finish()
    }
}
