//! People: they sign up over HTTP like everybody else.

use medusa_api::{Login, SignUp, Tokens};
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
        self.person_with_role("ada", "admin").await
    }

    /// A new person whom the operator gave this role.
    pub(crate) async fn person_with_role(&self, name: &str, role: &str) -> Person {
        let person = self.person(name).await;
        let granted = self.command().args(["admin", "grant", &person.email, role]).output();
        let granted = granted.unwrap();
        assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
        // Roles are in the token, so it takes a new one.
        let tokens = self.tokens(&person).await;
        let token = tokens.access_token.clone();
        let client = self.client().with_session(Some(Session::begin(tokens)));
        Person { client, token, ..person }
    }

    /// A new login of this person.
    pub(crate) async fn tokens(&self, person: &Person) -> Tokens {
        let login = Login { email: person.email.clone(), password: person.password.clone() };
        self.client().login(&login).await.unwrap()
    }
}
