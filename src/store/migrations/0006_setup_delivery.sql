-- When the answer with the tokens that a setup code gave had gone out. NULL beside a completed_at: the code is used up,
-- and whether the device has its tokens is not known.
ALTER TABLE setup_codes ADD COLUMN delivered_at BIGINT;
UPDATE setup_codes SET delivered_at = completed_at;
