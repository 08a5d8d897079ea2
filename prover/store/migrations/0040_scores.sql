-- Agents whose owners let sessions have scores beside answers.
CREATE TABLE scores_shown (weights_digest TEXT PRIMARY KEY)
