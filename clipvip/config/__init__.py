"""Every setting, frozen and typed; the registry of stages."""
