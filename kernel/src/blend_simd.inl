BlendFunction blend(Type) { return nullptr; }
ProductFunction product(Type, bool) { return nullptr; }
