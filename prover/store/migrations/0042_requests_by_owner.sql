-- Counts how many requests of an owner wait.
CREATE INDEX requests_by_owner ON requests (owner, state);
