//! Calls that come while others are under way go together: the same work for many costs little more than for one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, oneshot};

/// Gathers questions and has them answered together.
///
/// There is no task behind it: whoever gets a turn answers for all that wait, and a caller that is dropped meanwhile
/// leaves the others to ask again. Alone, a question is worked on at once.
#[derive(Debug)]
pub(super) struct Gather<Q, A> {
    waiting: Mutex<VecDeque<(Q, oneshot::Sender<A>)>>,
    turns: Semaphore,
    most: usize,
}

impl<Q: Clone + Send, A: Send> Gather<Q, A> {
    /// With `turns` batches under way at once, of at most `most` questions each.
    pub(super) fn new(turns: usize, most: usize) -> Self {
        Self { waiting: Mutex::default(), turns: Semaphore::new(turns.max(1)), most: most.max(1) }
    }

    /// Has a question answered by `work`, which answers several in their order; `None` if it gave too few answers.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the question may still be worked on.
    pub(super) async fn ask<'a>(
        &self,
        question: Q,
        work: impl Fn(Vec<Q>) -> BoxFuture<'a, Vec<A>>,
    ) -> Option<A> {
        let mut answer = self.put(&question);
        loop {
            let permit = tokio::select! {
                biased;
                answered = &mut answer => match answered {
                    Ok(answered) => return Some(answered),
                    // Whoever worked on it was dropped.
                    Err(_) => {
                        answer = self.put(&question);
                        continue;
                    }
                },
                permit = self.turns.acquire() => permit.ok()?,
            };
            match answer.try_recv() {
                Ok(answered) => return Some(answered),
                Err(TryRecvError::Closed) => answer = self.put(&question),
                Err(TryRecvError::Empty) => {}
            }
            let (questions, callers) = self.take();
            if questions.is_empty() {
                // Somebody else works on it.
                drop(permit);
                match answer.await {
                    Ok(answered) => return Some(answered),
                    Err(_) => answer = self.put(&question),
                }
                continue;
            }
            let count = questions.len();
            let answers = work(questions).await;
            let is_short = answers.len() < count;
            for (caller, answered) in callers.into_iter().zip(answers) {
                // Who does not listen any more needs no answer.
                let _ = caller.send(answered);
            }
            if is_short {
                return answer.try_recv().ok();
            }
        }
    }

    fn put(&self, question: &Q) -> oneshot::Receiver<A> {
        let (caller, answer) = oneshot::channel();
        self.lock().push_back((question.clone(), caller));
        answer
    }

    fn take(&self) -> (Vec<Q>, Vec<oneshot::Sender<A>>) {
        let mut waiting = self.lock();
        let count = waiting.len().min(self.most);
        // What nobody listens to any more is left out.
        waiting.drain(..count).filter(|(_, caller)| !caller.is_closed()).unzip()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Q, oneshot::Sender<A>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    type Asked = Arc<Mutex<Vec<Vec<u32>>>>;

    /// Notes what is asked, waits until it may, and answers each number with its double.
    fn doubling(
        asked: &Asked,
        may: &Arc<Notify>,
    ) -> impl Fn(Vec<u32>) -> BoxFuture<'static, Vec<u32>> + use<> {
        let (asked, may) = (asked.clone(), may.clone());
        move |questions| {
            let (asked, may) = (asked.clone(), may.clone());
            async move {
                asked.lock().unwrap().push(questions.clone());
                may.notified().await;
                questions.into_iter().map(|n| n * 2).collect()
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn what_comes_meanwhile_goes_together() {
        let (gather, asked, may) = (Gather::new(1, 3), Asked::default(), Arc::new(Notify::new()));
        let work = doubling(&asked, &may);
        let all = join_all((0..6).map(|n| gather.ask(n, &work)));
        let free = async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
                may.notify_one();
            }
            std::future::pending::<()>().await;
        };
        let answers = tokio::select! { answers = all => answers, () = free => unreachable!() };
        assert_eq!(answers, (0..6).map(|n| Some(n * 2)).collect::<Vec<_>>());
        assert_eq!(*asked.lock().unwrap(), [vec![0], vec![1, 2, 3], vec![4, 5]]);
    }

    #[tokio::test]
    async fn others_ask_again_when_the_one_who_worked_is_gone() {
        let (gather, asked, may) = (Gather::new(1, 9), Asked::default(), Arc::new(Notify::new()));
        let work = doubling(&asked, &may);
        let mut first = Box::pin(gather.ask(1, &work));
        let mut second = Box::pin(gather.ask(2, &work));
        let mut third = Box::pin(gather.ask(3, &work));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut second).now_or_never().is_none(), "it works for both now");
        may.notify_one();
        assert_eq!(second.await, Some(4));
        assert_eq!(third.await, Some(6));
        assert_eq!(*asked.lock().unwrap(), [vec![1], vec![2, 3]]);
    }

    #[tokio::test]
    async fn too_few_answers_are_told() {
        let gather = Gather::<u32, u32>::new(1, 9);
        assert_eq!(gather.ask(1, |_| async { Vec::new() }.boxed()).await, None);
    }
}
