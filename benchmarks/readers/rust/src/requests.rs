//! What is said, as the caller of this program worded it.

pub struct Requests {
    pub create: String,
    pub subscribe: String,
    proceed: String,
}

impl Requests {
    pub fn new(create: String, proceed: String, subscribe: String) -> Requests {
        Requests {
            create,
            subscribe,
            proceed,
        }
    }

    /// The continue of a session.
    pub fn proceed(&self, session_id: &str) -> String {
        self.proceed.replace("SESSION", session_id)
    }
}
