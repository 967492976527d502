//! How the types of this package look in the OpenAPI document: as strings and numbers.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, NoticeId, OperationId, ProgramId, Role,
    SessionId, Sha256Hash, Timestamp, UploadId, UserId, WebhookId,
};

macro_rules! schemas {
    ($($name:ident $kind:ident $about:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::$kind).description(Some($about)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

schemas! {
    Credits String "credits as a decimal number with at most six places";
    Sha256Hash String "SHA-256 as 64 lower-case hexadecimal digits";
    Timestamp Integer "microseconds since 1970-01-01 UTC";
    Fuel Integer "units of work of the meter";
    ChunkIndex Integer "place of a chunk in its job, from 0";
    Role String "consumer, lender, admin or auditor";
    UserId String "usr_ and 32 hexadecimal digits";
    JobId String "job_ and 32 hexadecimal digits";
    ProgramId String "prg_ and 32 hexadecimal digits";
    AgentId String "agt_ and 32 hexadecimal digits";
    LeaseId String "lse_ and 32 hexadecimal digits";
    SessionId String "ses_ and 32 hexadecimal digits";
    UploadId String "upl_ and 32 hexadecimal digits";
    WebhookId String "whk_ and 32 hexadecimal digits";
    NoticeId String "ntc_ and 32 hexadecimal digits";
    OperationId String "op_ and 32 hexadecimal digits";
}
