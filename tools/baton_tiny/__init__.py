"""Parts of tools/train_baton_tiny.py: text, exercises, tokenizer, model, optimiser, evaluation."""
