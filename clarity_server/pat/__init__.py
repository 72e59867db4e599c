"""PAT, the Pretrained Actigraphy Transformer: a scaled week in, an embedding and where the model looked out."""
