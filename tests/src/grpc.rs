//! gRPC as a stranger speaks it who has the contracts and somebody's token, or none.

use std::time::Duration;

use anyhow::{Context, Result};
use prost::{
    Message,
    bytes::{Buf, BufMut},
};
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::system::{Part, System};

/// The services, by the programs that they are in.
pub const SERVICES: [(Part, &str); 4] = [
    (Part::Auth, "leadline.auth.v1.AuthService"),
    (Part::Leads, "leadline.leads.v1.LeadsService"),
    (Part::Reminders, "leadline.reminders.v1.RemindersService"),
    (Part::Analytics, "leadline.analytics.v1.AnalyticsService"),
];

/// Of each service a call that every token is good for.
pub const READS: [(Part, &str, &str); 4] = [
    (Part::Auth, "leadline.auth.v1.AuthService", "GetMe"),
    (Part::Leads, "leadline.leads.v1.LeadsService", "ListLeads"),
    (Part::Reminders, "leadline.reminders.v1.RemindersService", "ListReminders"),
    (Part::Analytics, "leadline.analytics.v1.AnalyticsService", "GetSummary"),
];

/// A method of the contracts.
#[derive(Debug)]
pub struct Method {
    /// The full name of its service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The texts that it takes, and those within what it takes: the numbers of the fields that lead there, and the last one's name.
    pub texts: Vec<(Vec<u32>, String)>,
}

/// Every method of the contracts.
///
/// # Errors
/// If the contracts can't be read.
pub fn methods() -> Result<Vec<Method>> {
    let files = FileDescriptorSet::decode(leadline_proto::DESCRIPTORS)?.file;
    let find = |name: &str| {
        files.iter().find_map(|file| {
            let rest = name.strip_prefix(&format!(".{}.", file.package()))?;
            file.message_type.iter().find(|message| message.name() == rest)
        })
    };
    let mut methods = Vec::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let input = find(method.input_type()).with_context(|| method.input_type().to_owned())?;
                let mut texts = Vec::new();
                texts_of(input, &find, &mut Vec::new(), &mut texts);
                methods.push(Method {
                    service: format!("{}.{}", file.package(), service.name()),
                    name: method.name().to_owned(),
                    texts,
                });
            }
        }
    }
    Ok(methods)
}

fn texts_of<'a>(
    message: &DescriptorProto,
    find: &impl Fn(&str) -> Option<&'a DescriptorProto>,
    path: &mut Vec<u32>,
    texts: &mut Vec<(Vec<u32>, String)>,
) {
    for field in &message.field {
        path.push(u32::try_from(field.number()).unwrap_or_default());
        match field.r#type() {
            Type::String => texts.push((path.clone(), field.name().to_owned())),
            // Deep enough for every request; and messages may hold themselves.
            Type::Message if path.len() < 4 => {
                if let Some(inner) = find(field.type_name()) {
                    texts_of(inner, find, path, texts);
                }
            }
            _ => {}
        }
        path.pop();
    }
}

/// A message that holds this text at a path of field numbers. Behind another message it adds to that one.
#[must_use]
pub fn holding(path: &[u32], text: &str) -> Vec<u8> {
    let Some((number, deeper)) = path.split_first() else { return text.as_bytes().to_vec() };
    let inner = holding(deeper, text);
    let mut message = Vec::new();
    prost::encoding::encode_key(*number, prost::encoding::WireType::LengthDelimited, &mut message);
    prost::encoding::encode_varint(inner.len() as u64, &mut message);
    message.extend(inner);
    message
}

/// A connection to a service.
///
/// # Errors
/// If none can be had.
pub async fn channel(system: &System, part: Part) -> Result<Channel> {
    Ok(Channel::from_shared(system.grpc(part).to_owned())?.connect().await?)
}

/// Calls a method with the bytes of a message, perhaps with a token, and further headers; gives the bytes of the (first) answer.
///
/// # Errors
/// If there is no connection, or the token can't be sent.
pub async fn call(
    channel: &Channel,
    service: &str,
    method: &str,
    token: Option<&str>,
    message: &[u8],
) -> Result<Result<Vec<u8>, Status>> {
    let mut request = Request::new(message.to_vec());
    request.set_timeout(Duration::from_secs(10));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await?;
    let path = format!("/{service}/{method}").parse()?;
    Ok(grpc.unary(request, path, Raw).await.map(tonic::Response::into_inner))
}

/// Messages as their bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}
