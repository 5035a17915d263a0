"""OCI image layouts: which artifact a reference names, its layers, and their bytes, checked.

    from sapwood.store.oci import Layout, parse_reference

    reference = parse_reference("models:1.0.0")
    layout = Layout(reference.folder)
    for layer in layout.layers(reference):
        print(layer.media_type, layer.digest, sum(map(len, layout.stripes(layer))))

What a layer means is for others to say: `sapwood.package` reads packages of them. Writing layouts
is to come, and registries, which answer for the same artifacts elsewhere.
"""

from sapwood.store.oci.descriptors import OCI, Descriptor, Reference, parse_reference
from sapwood.store.oci.layout import Layout

__all__ = ["OCI", "Descriptor", "Layout", "Reference", "parse_reference"]
