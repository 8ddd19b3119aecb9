"""What went wrong with S3, as a StorageError in a plain sentence without a secret in it.

The store's own words are shown only for codes that are not known here, and then only its code: messages and responses
can hold key ids, signatures and user names. For the same reason the botocore error is not kept as the cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from curation.errors import MissingError, StorageError, TransientError

_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
_TRY_AGAIN = frozenset(
    {
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "InternalError",
        "ServiceUnavailable",
        "OperationAborted",
        "ConditionalRequestConflict",
        "BadDigest",
    }
)
_SENTENCES = {
    "NoSuchBucket": "the bucket does not exist",
    "InvalidBucketName": "this is no bucket's name",
    "AccessDenied": "access denied: the credentials do not allow this",
    "403": "access denied: the credentials do not allow this",
    "AllAccessDisabled": "access denied: the credentials do not allow this",
    "InvalidAccessKeyId": "the access key is not known to the store: see AWS_ACCESS_KEY_ID or AWS_PROFILE",
    "SignatureDoesNotMatch": "the secret key is wrong: see AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
    "ExpiredToken": "the credentials have expired: renew them",
    "InvalidToken": "the session token is wrong: see AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the store's",
    "PermanentRedirect": "the bucket is in another region: see AWS_REGION",
    "301": "the bucket is in another region: see AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: see AWS_REGION",
    "EntityTooLarge": "the store refuses an object of this size",
    "QuotaExceeded": "the store's quota is used up",
    "KeyTooLongError": "the key is too long",
    "InvalidObjectState": "the object is archived: restore it first",
}
NO_CREDENTIALS = (
    "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
    "or run where a role gives them"
)
_CONNECTION = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.ProxyConnectionError,
    boto.ResponseStreamingError,
    boto.IncompleteReadError,
    boto.FlexibleChecksumError,
)


@contextmanager
def s3_errors(url: str) -> Iterator[None]:
    """The errors of botocore inside, as StorageErrors about `url`."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise storage_error(url, error) from None


def storage_error(url: str, error: Exception) -> StorageError:
    """The error to raise in place of botocore's."""
    if isinstance(error, ClientError):
        return _refused(url, error)
    if isinstance(error, (*_CONNECTION, HTTPError)):
        return TransientError(f"{url}: no answer, or one that broke off ({type(error).__name__})")
    return StorageError(f"{url}: {_local_trouble(error)}")


def code_of(error: ClientError) -> str:
    """The store's code for the error; the HTTP status where there is none."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(_status(error))


def _refused(url: str, error: ClientError) -> StorageError:
    code, status = code_of(error), _status(error)
    if code in _MISSING:
        return MissingError(f"{url}: there is no such object")
    if code in _TRY_AGAIN or status >= 500 or status == 429:
        return TransientError(f"{url}: the store is busy or failing ({code}, HTTP {status})")
    sentence = _SENTENCES.get(code, f"the store refused {error.operation_name} ({code}, HTTP {status})")
    return StorageError(f"{url}: {sentence}")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _local_trouble(error: Exception) -> str:
    """What is wrong on this side, before anything reached the store."""
    match error:
        case boto.NoCredentialsError():
            return NO_CREDENTIALS
        case boto.PartialCredentialsError():
            return "the credentials are incomplete: set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        case boto.ProfileNotFound():
            return "the profile that AWS_PROFILE names is not in the AWS configuration"
        case boto.CredentialRetrievalError() | boto.TokenRetrievalError() | boto.SSOError() | boto.LoginError():
            return f"the credentials could not be fetched ({type(error).__name__}): log in again"
        case boto.SSLError():
            return "the store's TLS certificate is not trusted: see AWS_CA_BUNDLE"
        case boto.ParamValidationError() | boto.InvalidDNSNameError():
            return "this is no name that S3 allows for a bucket or a key"
        case boto.ConfigParseError() | boto.ConfigNotFound():
            return "the AWS configuration file cannot be read"
    return f"the store cannot be used as it is configured ({type(error).__name__})"
