-- What a client may ask for, each a list with a space between two entries: nothing that is not in it.
--
-- A client from before could ask for anything. It keeps what the server itself offers, which signing in and managing
-- authenticators need: no audience of another API, no further scope and no origin of a browser.
ALTER TABLE clients ADD COLUMN grants TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN audiences TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN origins TEXT NOT NULL DEFAULT '';
UPDATE clients SET
    grants = 'password mfa-oob mfa-otp mfa-recovery-code',
    scopes = 'openid profile email enroll read:authenticators remove:authenticators';
