"""LoRA adapters, as PEFT lays them out: taken out of a patch, or given as a base."""
