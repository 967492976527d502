//! People: they sign up over HTTP like everybody else.

use medusa_api::{Login, SignUp};
use medusa_client::{Client, Session};

use super::house::House;

/// Somebody with an account, logged in.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) token: String,
}

impl House {
    /// A new person of this name.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let (email, password) = (format!("{name}@example.org"), format!("{name} has a secret"));
        let form =
            SignUp { email: email.clone(), password: password.clone(), name: name.to_owned() };
        let tokens = self.client().signup(&form).await.unwrap();
        let token = tokens.access_token.clone();
        let client = self.client().with_session(Some(Session::begin(tokens)));
        Person { client, email, password, token }
    }

    /// A new person who runs the place.
    pub(crate) async fn admin(&self) -> Person {
        let person = self.person("ada").await;
        let granted = self.command().args(["admin", "grant", &person.email, "admin"]).output();
        let granted = granted.unwrap();
        assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
        // Roles are in the token, so it takes a new one.
        let login = Login { email: person.email.clone(), password: person.password.clone() };
        let tokens = self.client().login(&login).await.unwrap();
        let token = tokens.access_token.clone();
        let client = self.client().with_session(Some(Session::begin(tokens)));
        Person { client, token, ..person }
    }
}
